import { portablePieceCiphers } from '../../src/pieces/piece-ciphers.ts'
import { describePieceCiphers } from './piece-ciphers-suite.ts'

describePieceCiphers(portablePieceCiphers)
