/** A closed round in one line, for whoever watches a daemon: what was proved, what it earned, what is wrong. Pure. */
import {
  type Address,
  type AppliedEntry,
  creditLinesOf,
  type DealResult,
  type LedgerState,
  newestAskOf,
  resultsIn
} from '@holdfast/core'
import { formatAmount, formatSize } from '../units.ts'

/** @returns the lines that an entry is worth; none for rounds that do not concern the account */
export function createRoundLines(account: Address): (state: LedgerState, applied: AppliedEntry) => string[] {
  return (state, applied) =>
    applied.events.flatMap(event => {
      if (event.kind === 'roundsVoided')
        return [`rounds ${event.from} to ${event.to} are void: nobody could open them; no pay, no fault`]
      if (event.kind !== 'roundClosed' && event.kind !== 'dealsSettled') return []
      const own = resultsIn(event).filter(({ provider }) => provider === account)
      const fees = creditLinesOf(state, { ...applied, events: [event] }, account).filter(({ kind }) => kind === 'fee')
      const parts = [...providerParts(own), ...feeParts(fees.map(({ amount }) => amount))]
      return parts.length === 0 ? [] : [`round ${event.round}${event.late ? ' (late)' : ''}: ${parts.join(', ')}`]
    })
}

/**
 * What to say of a round that brought a provider nothing, so that its owner sees that it lives: what it keeps and offers.
 *
 * @returns undefined for an account that offers nothing
 */
export function quietLine(state: LedgerState, account: Address): string | undefined {
  const ask = newestAskOf(state, account)
  if (ask === undefined) return undefined
  const deals = state.dealsByProvider.get(account)?.size ?? 0
  const kept = deals === 0 ? 'no deals yet' : `${deals} ${deals === 1 ? 'deal' : 'deals'}, nothing to prove`
  return `round ${state.round}: ${kept}; ${formatSize(ask.capacityBytes)} offered`
}

function providerParts(results: readonly DealResult[]): string[] {
  if (results.length === 0) return []
  const count = (kind: string) => results.filter(({ outcome }) => outcome.kind === kind).length
  const paid = results.reduce((sum, result) => sum + result.paid, 0n)
  const withheld = results.reduce((sum, result) => sum + result.withheld, 0n)
  const owed = results.reduce((sum, { docketLeaves }) => sum + docketLeaves, 0)
  return [
    `${count('proved')} of ${results.length} deals proved`,
    ...(count('fault') > 0 ? [`${count('fault')} FAULTS`] : []),
    ...(count('void') > 0 ? [`${count('void')} void`] : []),
    `+${formatAmount(paid)} credits`,
    ...(withheld > 0n ? [`${formatAmount(withheld)} kept as collateral`] : []),
    ...(owed > 0 ? [`${owed} leaves still owed: no pay for their deals until they are proved`] : [])
  ]
}

function feeParts(fees: readonly bigint[]): string[] {
  if (fees.length === 0) return []
  return [`${fees.length} deals checked, +${formatAmount(fees.reduce((sum, fee) => sum + fee, 0n))} credits`]
}
