import type { FuzzTarget } from './fuzz.ts'
import { ledgerTargets } from './ledger.ts'
import { piecesTargets } from './pieces.ts'
import { proofsTargets } from './proofs.ts'

/** Everything that is fuzzed, in all packages. */
export const fuzzTargets: readonly FuzzTarget[] = [...proofsTargets, ...ledgerTargets, ...piecesTargets]
