/**
 * Whether a demand on the ledger pays: a pure decision. A verifier that shows nothing may be behind a firewall, or may have
 * nothing to show; a demand wins its bond or loses its stake, and its record on the ledger says which is likelier.
 */
import { accountOf, type LedgerState } from '../ledger/state.ts'
import type { Address } from '../schema.ts'

/** `always`: also where it costs more than it can win, for whoever has something at stake in the deal. */
export type DemandPolicy = 'when it pays' | 'always' | 'never'

const PPM = 1_000_000n

/**
 * What is believed of a verifier without a record: of eight that show nothing, one cannot. A guess, which each dispute on
 * the ledger corrects, so that who stays unreachable to see bonds burned burns few.
 */
const PRIOR = { refuted: 1n, answered: 7n }

/** @returns why no transcript should be demanded of a verifier, or undefined when one should */
export function judgeDemand(
  state: LedgerState,
  { demander, verifier, policy }: { readonly demander: Address; readonly verifier: Address; policy: DemandPolicy }
): string | undefined {
  const { stakeUnit, transcriptBond, refuterPpm } = state.parameters.money
  if (policy === 'never') return 'the config says so'
  if (accountOf(state, demander).free < transcriptBond) return `the bond takes ${transcriptBond} atto`
  if (policy === 'always') return undefined
  const record = state.verifiers.get(verifier)
  const stake = (record?.stake ?? 0n) + (record?.leaving ?? []).reduce((sum, { amount }) => sum + amount, 0n)
  const reward = ((stake < stakeUnit ? stake : stakeUnit) * BigInt(refuterPpm)) / PPM
  let { refuted, answered } = PRIOR
  for (const dispute of state.disputes.values()) {
    if (dispute.verifier !== verifier) continue
    if (dispute.status === 'refuted') refuted += 1n
    if (dispute.status === 'answered') answered += 1n
  }
  return reward * refuted > transcriptBond * answered ? undefined : 'it would cost more than it is likely to win'
}
