/**
 * The credits of one account since genesis, for as long as a daemon runs: read once from its own log, then kept as entries
 * come. Sums stay exact for ever; single lines are kept for the newest ones only.
 */
import {
  type Address,
  type AppliedEntry,
  type CreditKind,
  type CreditLine,
  creditLinesOf,
  type Ledger,
  type LedgerState
} from '@holdfast/core'

/** Lines that are kept: a month of hourly rounds of ten deals, about two megabytes. */
const LINES_MAX = 10_000
const ROUNDS_MAX = 1_000

/** What one round brought to an account. */
export interface RoundCredits {
  readonly round: number
  /** When its pay was booked, milliseconds of Unix time. */
  timeMs: number
  paid: bigint
  withheld: bigint
  fees: bigint
  /** Deals that earned nothing, by the reason. */
  readonly unpaid: Map<string, number>
}

export interface CreditSummary {
  /** Credits that the account has earned or was given, and has spent, by what they were for; they add up to its balance. */
  readonly sums: ReadonlyMap<CreditKind | 'genesis', bigint>
  readonly withheld: bigint
  readonly byDeal: ReadonlyMap<
    number,
    { readonly paid: bigint; readonly withheld: bigint; readonly roundsUnpaid: number }
  >
  /** Oldest first. */
  readonly rounds: readonly RoundCredits[]
  /** The newest, oldest first. */
  readonly lines: readonly CreditLine[]
}

export interface CreditBook extends Disposable {
  /** As of the newest entry that the ledger has. The first call reads the past. */
  summary(signal?: AbortSignal): Promise<CreditSummary>
}

export interface CreditBookOptions {
  readonly ledger: Ledger
  readonly account: Address
  /** Reads the log from genesis to its end, telling of every entry in order. */
  readonly readPast: (
    onEntry: (applied: AppliedEntry, state: LedgerState) => void,
    signal?: AbortSignal
  ) => Promise<void>
}

export function createCreditBook({ ledger, account, readPast }: CreditBookOptions): CreditBook {
  const genesis = ledger.state.parameters.accounts
    .filter(({ address }) => address === account)
    .reduce((sum, { amount }) => sum + amount, 0n)
  const sums = new Map<CreditKind | 'genesis', bigint>(genesis === 0n ? [] : [['genesis', genesis]])
  const byDeal = new Map<number, { paid: bigint; withheld: bigint; roundsUnpaid: number }>()
  const rounds = new Map<number, RoundCredits>()
  const lines: CreditLine[] = []
  let withheld = 0n
  let nextSequence = 0
  /** Lines of entries that came while the past was not read yet. */
  let waiting: { readonly sequence: number; readonly lines: readonly CreditLine[] }[] = []
  let reading: Promise<void> | undefined
  let isRead = false

  function book(sequence: number, booked: readonly CreditLine[]): void {
    if (sequence < nextSequence) return
    nextSequence = sequence + 1
    for (const line of booked) bookLine(line)
  }

  function bookLine(line: CreditLine): void {
    sums.set(line.kind, (sums.get(line.kind) ?? 0n) + line.amount)
    withheld += line.withheld
    lines.push(line)
    if (lines.length >= 2 * LINES_MAX) lines.splice(0, lines.length - LINES_MAX)
    if (line.kind !== 'pay' && line.kind !== 'no pay' && line.kind !== 'fee') return
    const round = rounds.get(line.round) ?? emptyRound(line)
    rounds.set(line.round, round)
    if (rounds.size > ROUNDS_MAX) rounds.delete(rounds.keys().next().value!)
    round.timeMs = line.timeMs
    if (line.kind === 'fee') {
      round.fees += line.amount
      return
    }
    const deal = byDeal.get(line.dealId!) ?? { paid: 0n, withheld: 0n, roundsUnpaid: 0 }
    byDeal.set(line.dealId!, deal)
    round.paid += line.amount
    round.withheld += line.withheld
    deal.paid += line.amount
    deal.withheld += line.withheld
    if (line.kind === 'pay') return
    deal.roundsUnpaid += 1
    round.unpaid.set(line.reason, (round.unpaid.get(line.reason) ?? 0) + 1)
  }

  async function read(signal: AbortSignal | undefined): Promise<void> {
    await readPast((applied, state) => book(applied.entry.sequence, creditLinesOf(state, applied, account)), signal)
    isRead = true
    for (const { sequence, lines: late } of waiting) book(sequence, late)
    waiting = []
  }

  const end = ledger.subscribe(applied => {
    const late = creditLinesOf(ledger.state, applied, account)
    const { sequence } = applied.entry
    if (isRead) book(sequence, late)
    else waiting.push({ sequence, lines: late })
  })

  return {
    async summary(signal) {
      reading ??= read(signal).catch(error => {
        reading = undefined // whoever asks next tries again
        throw error
      })
      await reading
      return { sums, withheld, byDeal, rounds: [...rounds.values()], lines: lines.slice(-LINES_MAX) }
    },
    [Symbol.dispose]: end
  }
}

function emptyRound({ round, timeMs }: CreditLine): RoundCredits {
  return { round, timeMs, paid: 0n, withheld: 0n, fees: 0n, unpaid: new Map() }
}
