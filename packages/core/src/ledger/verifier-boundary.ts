/** What happens to verifiers when a round closes: silence costs, also about a transcript, and what they took back is released. */
import { countAssignedTo } from '../rounds/assignment.ts'
import { isOpen, refuteSilent } from './dispute-rules.ts'
import type { LedgerEvent } from './event.ts'
import { takeStake } from './forfeit-stake.ts'
import { assignmentOf } from './proof-rules.ts'
import { type Closing, type LeavingStake, type LedgerState, openAccount } from './state.ts'

export function passVerifiers(state: LedgerState, closing: Closing): LedgerEvent[] {
  return [...penalizeSilence(state, closing), ...refuteSilent(state), ...releaseStakes(state)]
}

/** Whoever was assigned deals and did not attest loses a little; not when the round closed late, and not below nothing. */
function penalizeSilence(state: LedgerState, { round, late }: Closing): LedgerEvent[] {
  if (round === undefined || late) return []
  const { silencePenalty } = state.parameters.money
  const assignment = assignmentOf(state, round)
  return round.verifiers.flatMap(({ address }): LedgerEvent[] => {
    const record = state.verifiers.get(address)
    const owes = countAssignedTo(assignment, address) > 0 && !round.attestations.has(address)
    if (!owes || record === undefined) return []
    const penalty = takeStake(record, silencePenalty)
    state.burned += penalty
    return [{ kind: 'silent', verifier: address, round: round.round, penalty }]
  })
}

/** Credits what verifiers have taken back, once nothing that they answer for is, or can be, disputed. */
function releaseStakes(state: LedgerState): LedgerEvent[] {
  const events: LedgerEvent[] = []
  const disputed = new Set([...state.disputes.values()].filter(isOpen).map(({ verifier }) => verifier))
  const isDue = ({ releaseOpening }: LeavingStake) => releaseOpening <= state.openings
  for (const [verifier, record] of state.verifiers) {
    const due = record.leaving.filter(isDue)
    if (due.length === 0 || disputed.has(verifier)) continue
    const amount = due.reduce((sum, part) => sum + part.amount, 0n)
    record.leaving = record.leaving.filter(part => !isDue(part))
    if (record.stake === 0n && record.leaving.length === 0) state.verifiers.delete(verifier)
    openAccount(state, verifier).free += amount
    events.push({ kind: 'stakeReleased', verifier, amount })
  }
  return events
}
