/** What the open round asks of a deal, in the form that judges of transcripts take. */
import type { AskedLeaves } from '../../src/evidence/judge-transcript.ts'
import { roundEvidenceOf } from '../../src/ledger/round-evidence.ts'
import type { Deal, LedgerState } from '../../src/ledger/state.ts'

export function askedOf(state: LedgerState, deal: Deal): AskedLeaves {
  const { challenges, pieces, leavesPerRound, provider } = roundEvidenceOf(state, state.round, deal.id)!
  return { challenges, pieces, leavesPerRound, provider }
}
