/** `holdfast ledger status | deals | deal | account | rounds | log`: what the ledger says, checked on the way. */
import { type Address, type AppliedEntry, type LedgerState, resultsIn } from '@holdfast/core'
import { Command, InvalidArgumentError } from 'commander'
import { PeerError } from '../../error.ts'
import { readLedger } from '../../ledger/read-ledger.ts'
import {
  addResults,
  emptyRound,
  type RoundView,
  viewAccount,
  viewDeal,
  viewDealDetails,
  viewStatus
} from '../../views/ledger-views.ts'
import { formatJson } from '../output.ts'
import { type LedgerOptions, parseAddress, parseNatural, readOptions, withLedgerOptions } from './options.ts'
import { formatTime, showAccount, showDeal, showDeals, showRounds, showStatus } from './show.ts'

const DEAL_STATUSES = ['active', 'ending', 'ended', 'failed'] as const
const ROUNDS_DEFAULT = 20

/** @returns the commands; each ends when the signal aborts */
export function ledgerReadCommands(signal: AbortSignal): Command[] {
  return [
    withLedgerOptions(new Command('status').description('What stands on the ledger, in one page.')).action(
      (options: LedgerOptions) => print(options, signal, viewStatus, showStatus)
    ),
    withLedgerOptions(new Command('deals').description('All deals, or those of an account.'))
      .option('--account <address>', 'only deals that this account is a party of', parseAddress)
      .option('--status <status>', 'active, ending, ended or failed', parseStatus)
      .action((options: LedgerOptions & DealFilter) =>
        print(options, signal, state => dealsOf(state, options), showDeals)
      ),
    withLedgerOptions(new Command('deal').description('One deal: its money, its rounds, its pieces.'))
      .argument('<id>', 'number of the deal', parseNatural)
      .action((id: number, options: LedgerOptions) => print(options, signal, state => dealOf(state, id), showDeal)),
    withLedgerOptions(new Command('account').description('What an account has, and where.'))
      .argument('<address>', '0x and 40 hex digits', parseAddress)
      .action((address: Address, options: LedgerOptions) =>
        print(options, signal, state => viewAccount(state, address), showAccount)
      ),
    withLedgerOptions(new Command('rounds').description('The newest closed rounds: what was proved, what was paid.'))
      .option('--last <n>', 'how many rounds', parseNatural, ROUNDS_DEFAULT)
      .action((options: LedgerOptions & { last: number }) => rounds(options, signal)),
    withLedgerOptions(new Command('log').description('The entries of the log, and what each of them did.'))
      .option('--from <sequence>', 'first entry to show', parseNatural, 0)
      .option('--follow', 'go on with new entries until Ctrl-C; needs --network', false)
      .action((options: LedgerOptions & { from: number; follow: boolean }) => log(options, signal))
  ].map(command => command.exitOverride())
}

interface DealFilter {
  readonly account?: Address
  readonly status?: (typeof DEAL_STATUSES)[number]
}

async function print<View>(
  options: LedgerOptions,
  signal: AbortSignal,
  view: (state: LedgerState) => View,
  show: (view: View) => string
): Promise<void> {
  const { state } = await readLedger(options, readOptions(options, signal))
  const viewed = view(state)
  process.stdout.write(options.json ? `${formatJson(viewed)}\n` : show(viewed))
}

function dealsOf(state: LedgerState, { account, status }: DealFilter) {
  return [...state.deals.values()]
    .filter(deal => account === undefined || deal.client === account || deal.provider === account)
    .filter(deal => status === undefined || deal.status === status)
    .map(deal => viewDeal(state, deal))
}

function dealOf(state: LedgerState, id: number) {
  const deal = state.deals.get(id)
  if (deal !== undefined) return viewDealDetails(state, deal)
  throw new PeerError('NO_DEAL', `There is no deal ${id}; the newest one is ${state.nextDealId - 1}.`, { id })
}

async function rounds(options: LedgerOptions & { last: number }, signal: AbortSignal): Promise<void> {
  const views = new Map<number, RoundView>()
  await readLedger(options, {
    ...readOptions(options, signal),
    onEntry({ events }) {
      for (const event of events) {
        if (event.kind !== 'roundClosed' && event.kind !== 'dealsSettled') continue
        const view = views.get(event.round) ?? emptyRound(event.round, event.late)
        addResults(view, resultsIn(event))
        views.set(event.round, view)
        if (views.size > options.last) views.delete(views.keys().next().value!)
      }
    }
  })
  const newest = [...views.values()]
  process.stdout.write(options.json ? `${formatJson(newest)}\n` : showRounds(newest))
}

async function log(options: LedgerOptions & { from: number; follow: boolean }, signal: AbortSignal): Promise<void> {
  if (options.follow && options.network === undefined) {
    throw new PeerError('OPTION_INVALID', 'New entries come from the network: give --network with --follow.')
  }
  const show = (applied: AppliedEntry) => {
    if (applied.entry.sequence < options.from) return
    process.stdout.write(options.json ? `${formatJson(applied)}\n` : showEntry(applied))
  }
  await readLedger(options, { ...readOptions(options, signal), follow: options.follow, onEntry: show })
}

function showEntry({ entry, events }: AppliedEntry): string {
  const { body } = entry
  const what = body.kind === 'command' ? body.command.kind : body.kind
  const lines = events.map(({ kind, ...facts }) => `         ${kind} ${formatJson(facts)}\n`)
  return `${String(entry.sequence).padStart(7)}  ${formatTime(entry.timeMs)}  ${what}\n${lines.join('')}`
}

function parseStatus(text: string): (typeof DEAL_STATUSES)[number] {
  const status = DEAL_STATUSES.find(one => one === text)
  if (status === undefined) throw new InvalidArgumentError(`expected one of ${DEAL_STATUSES.join(', ')}`)
  return status
}
