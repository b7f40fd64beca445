/** What the open round asks of a deal, in the form that judges of transcripts take. */
import type { AskedLeaves } from '../../src/evidence/judge-transcript.ts'
import { openChallengesOf } from '../../src/ledger/proof-rules.ts'
import type { Deal, LedgerState } from '../../src/ledger/state.ts'

export function askedOf(state: LedgerState, deal: Deal): AskedLeaves {
  return { challenges: openChallengesOf(state.open!, deal)!, pieces: deal.pieces }
}
