import { describePieceCiphers } from '../../core/test/pieces/piece-ciphers-suite.ts'
import { nodePieceCiphers } from '../src/ciphers.ts'

describePieceCiphers(nodePieceCiphers)
