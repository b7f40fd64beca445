/** What happens to verifiers when a round closes: silence costs, and what they took back is released. */
import { countAssignedTo } from '../rounds/assignment.ts'
import type { LedgerEvent } from './event.ts'
import { assignmentOf } from './proof-rules.ts'
import { type Closing, type LedgerState, openAccount } from './state.ts'

export function passVerifiers(state: LedgerState, closing: Closing): LedgerEvent[] {
  return [...penalizeSilence(state, closing), ...releaseStakes(state, closing)]
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
    const penalty = record.stake < silencePenalty ? record.stake : silencePenalty
    record.stake -= penalty
    state.burned += penalty
    return [{ kind: 'silent', verifier: address, round: round.round, penalty }]
  })
}

/** Credits what verifiers have taken back, once nothing that it answers for can be disputed. */
function releaseStakes(state: LedgerState, { through }: Closing): LedgerEvent[] {
  const events: LedgerEvent[] = []
  for (const [verifier, record] of state.verifiers) {
    const [first] = record.leaving
    if (first === undefined || first.releaseRound > through) continue
    const amount = record.leaving.reduce((sum, part) => (part.releaseRound > through ? sum : sum + part.amount), 0n)
    record.leaving = record.leaving.filter(({ releaseRound }) => releaseRound > through)
    openAccount(state, verifier).free += amount
    events.push({ kind: 'stakeReleased', verifier, amount })
  }
  return events
}
