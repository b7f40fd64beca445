/** The ledger's views as text for people. */
import type { CreditLine } from '@holdfast/core'
import { formatAmount, formatSize } from '../../units.ts'
import type { AccountView, DealDetails, DealView, RoundView, StatusView } from '../../views/ledger-views.ts'
import { type Column, formatFacts, formatTable, shortAddress } from '../table.ts'

/** Minutes are enough for a round of an hour; the log itself keeps milliseconds. */
export function formatTime(timeMs: number): string {
  return new Date(timeMs)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')
}

export function showStatus(view: StatusView): string {
  const { deals } = view
  return formatFacts([
    ['network', view.network],
    ['entries', `${view.entries}`],
    ['round', `${view.round}, ${view.roundIs}; the next one opens at ${formatTime(view.nextRoundMs)}`],
    ['beacon', view.beacon],
    ['deals', `${deals.active} active, ${deals.ending} ending, ${deals.ended} ended, ${deals.failed} failed`],
    ['stored', formatSize(view.bytesStored)],
    ['peers', `${view.providers} providers, ${view.verifiers} verifiers, ${view.accounts} accounts`],
    ['credits', `${formatAmount(view.inBalances, 18)} in all balances, ${formatAmount(view.supply, 18)} at genesis`],
    ['burned', formatAmount(view.burned, 18)]
  ])
}

const DEAL_COLUMNS: readonly Column[] = [
  { head: 'deal', align: 'right' },
  { head: 'status' },
  { head: 'client' },
  { head: 'provider' },
  { head: 'pieces', align: 'right' },
  { head: 'size', align: 'right' },
  { head: 'a round', align: 'right' },
  { head: 'funded', align: 'right' },
  { head: 'proved', align: 'right' },
  { head: 'faults', align: 'right' },
  { head: 'owes', align: 'right' }
]

export function showDeals(deals: readonly DealView[]): string {
  if (deals.length === 0) return 'There are no deals.\n'
  return formatTable(
    DEAL_COLUMNS,
    deals.map(deal => [
      `${deal.id}`,
      deal.status,
      shortAddress(deal.client),
      shortAddress(deal.provider),
      `${deal.pieces}`,
      formatSize(deal.rawSize),
      formatAmount(deal.pricePerRound),
      deal.fundedRounds === undefined ? '–' : `${deal.fundedRounds} rounds`,
      `${deal.rounds.proved}`,
      `${deal.rounds.faulted}`,
      deal.docketLeaves === 0 ? '' : `${deal.docketLeaves} leaves`
    ])
  )
}

export function showDeal(deal: DealDetails): string {
  const { totals, rounds } = deal
  const facts = formatFacts([
    [
      'deal',
      `${deal.id}, ${deal.status}${deal.endsAfterRound === undefined ? '' : ` after round ${deal.endsAfterRound}`}`
    ],
    ['client', deal.client],
    ['provider', deal.provider],
    [
      'price',
      `${formatAmount(deal.pricePerRound)} credits a round for ${formatSize(deal.rawSize)} in ${deal.pieces} pieces`
    ],
    ['proof', `${deal.leavesPerRound} leaves a round`],
    [
      'escrow',
      `${formatAmount(deal.escrow, 18)}${deal.fundedRounds === undefined ? '' : `, ${deal.fundedRounds} rounds`}; at least ${formatAmount(deal.escrowNeeded, 18)} for the notice`
    ],
    ['collateral', formatAmount(deal.collateral, 18)],
    ['rounds', `${rounds.proved} proved, ${rounds.faulted} faults, ${rounds.void} void`],
    [
      'owes',
      deal.docketLeaves === 0
        ? 'nothing'
        : `${deal.docketLeaves} leaves of faulted rounds: unpaid until they are proved`
    ],
    [
      'money',
      `${formatAmount(totals.funded, 18)} funded, ${formatAmount(totals.paidToProvider, 18)} to the provider, ${formatAmount(totals.paidToVerifiers, 18)} to verifiers, ${formatAmount(totals.refunded, 18)} back`
    ],
    ...(deal.repairBudget > 0n
      ? [['repair', `${formatAmount(deal.repairBudget, 18)} for whoever takes it over`] as const]
      : []),
    ...(deal.successor === undefined ? [] : [['successor', `deal ${deal.successor}`] as const])
  ])
  const pieces = formatTable(
    [{ head: 'piece', align: 'right' }, { head: 'PieceCID' }, { head: 'size', align: 'right' }, { head: 'state' }],
    deal.pieceList.map(({ id, cid, rawSize, removed }) => [
      `${id}`,
      cid,
      formatSize(rawSize),
      removed ? 'removed' : 'kept'
    ])
  )
  return deal.pieceList.length === 0 ? facts : `${facts}\n${pieces}`
}

export function showAccount(account: AccountView): string {
  const { ask } = account
  return formatFacts([
    ['account', account.address],
    ['free', `${formatAmount(account.free, 18)} credits`],
    ['escrow', formatAmount(account.escrow, 18)],
    ['collateral', formatAmount(account.collateral, 18)],
    [
      'stake',
      `${formatAmount(account.stake, 18)}${account.leaving > 0n ? `, ${formatAmount(account.leaving, 18)} leaving` : ''}`
    ],
    ['deals', `${account.asClient} as client, ${account.asProvider} as provider`],
    [
      'ask',
      ask === undefined
        ? 'none'
        : `${ask.pricePerLeafRound} atto a leaf and round, ${formatSize(ask.capacityBytes)}${ask.region === '' ? '' : `, ${ask.region}`}, at ${ask.addresses.join(' ') || 'no address'}`
    ]
  ])
}

export function showRounds(rounds: readonly RoundView[]): string {
  if (rounds.length === 0) return 'No round has closed yet.\n'
  return formatTable(
    ['round', 'proved', 'faults', 'void', 'paid', 'withheld', 'fees'].map(head => ({ head, align: 'right' as const })),
    rounds.map(view => [
      `${view.round}${view.late ? ' (late)' : ''}`,
      `${view.proved}`,
      `${view.faulted}`,
      `${view.void}`,
      formatAmount(view.paid),
      formatAmount(view.withheld),
      formatAmount(view.fees)
    ])
  )
}

export function showCreditLines(lines: readonly CreditLine[]): string {
  return formatTable(
    [
      { head: 'entry', align: 'right' },
      { head: 'when' },
      { head: 'round', align: 'right' },
      { head: 'deal', align: 'right' },
      { head: 'credits', align: 'right' },
      { head: 'kept back', align: 'right' },
      { head: 'what' },
      { head: 'why' }
    ],
    lines.map(({ sequence, timeMs, round, dealId, amount, withheld, kind, reason }) => [
      `${sequence}`,
      formatTime(timeMs),
      `${round}`,
      dealId === undefined ? '' : `${dealId}`,
      amount === 0n ? '0' : `${amount > 0n ? '+' : '−'}${formatAmount(amount < 0n ? -amount : amount)}`,
      withheld === 0n ? '' : formatAmount(withheld),
      kind,
      reason
    ])
  )
}
