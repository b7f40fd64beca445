/**
 * Where an account's credits come from and go to, line by line: a fold over the log that keeps nothing.
 *
 * The lines of an account add up to what it can spend, to the atto: what was credited, what was debited, and, with an amount
 * of nothing, every credit that it could have had and did not get, with the reason. Pure; anybody with the log gets the
 * same lines.
 */
import type { Outcome } from '../rounds/outcome.ts'
import type { Address } from '../schema.ts'
import type { Command } from './commands.ts'
import type { DealResult, LedgerEvent } from './event.ts'
import type { AppliedEntry } from './ledger.ts'
import type { LedgerState } from './state.ts'

export type CreditKind =
  | 'sent'
  | 'received'
  | 'escrow'
  | 'refund'
  | 'pay'
  | 'no pay'
  | 'reward'
  | 'collateral back'
  | 'forfeit'
  | 'fee'
  | 'no fee'
  | 'stake'
  | 'stake back'
  | 'penalty'
  | 'bond'
  | 'bond back'
  | 'share of a refutation'

export interface CreditLine {
  /** Of the entry that moved it. */
  readonly sequence: number
  /** The host's clock, milliseconds of Unix time. */
  readonly timeMs: number
  /** The round that it is about: the closed one for pay and fees, else the newest one. */
  readonly round: number
  readonly kind: CreditKind
  /** What it changed in what the account can spend, in atto; negative for a debit, 0 for a credit that was refused. */
  readonly amount: bigint
  /** Earned, but kept as the collateral of the deal until that is full. */
  readonly withheld: bigint
  readonly dealId: number | undefined
  /** The other account, where there is one. */
  readonly with: Address | undefined
  /** Why, for people. */
  readonly reason: string
}

type Line = Pick<CreditLine, 'kind' | 'amount' | 'reason'> & Partial<CreditLine>

/**
 * @param state - the ledger's state once the entry is applied
 * @returns the lines of one account, in order; none for an entry that does not concern it
 */
export function creditLinesOf(
  state: Pick<LedgerState, 'deals' | 'round'>,
  { entry, events }: AppliedEntry,
  account: Address
): CreditLine[] {
  const command = entry.body.kind === 'command' ? entry.body.command : undefined
  const lines = [
    ...(command === undefined ? [] : debitOf(command, account)),
    ...events.flatMap(event => linesOfEvent(state, event, account))
  ]
  return lines.map(line => ({
    sequence: entry.sequence,
    timeMs: entry.timeMs,
    round: state.round,
    withheld: 0n,
    dealId: undefined,
    with: undefined,
    ...line
  }))
}

/** What a command takes from its signer: the events that follow say what it gave to others. */
function debitOf(command: Command, account: Address): Line[] {
  switch (command.kind) {
    case 'DealOrder': {
      const { client, provider, escrow } = command.statement
      return client === account && escrow > 0n
        ? [{ kind: 'escrow', amount: -escrow, with: provider, reason: 'escrow of a new deal' }]
        : []
    }
    case 'PiecesOrder': {
      const { client, dealId, deposit, pieces } = command.statement
      return client === account && deposit > 0n
        ? [{ kind: 'escrow', amount: -deposit, dealId, reason: `escrow for ${pieces.length} more pieces` }]
        : []
    }
    case 'TopUp': {
      const { client, dealId, amount } = command.statement
      return client === account ? [{ kind: 'escrow', amount: -amount, dealId, reason: 'top-up' }] : []
    }
    case 'VerifierStake': {
      const { verifier, amount } = command.statement
      return verifier === account && amount > 0n
        ? [{ kind: 'stake', amount: -amount, reason: 'staked as a verifier' }]
        : []
    }
    default:
      return []
  }
}

function linesOfEvent(state: Pick<LedgerState, 'deals'>, event: LedgerEvent, account: Address): Line[] {
  switch (event.kind) {
    case 'transferred':
      return transferLines(event, account)
    case 'roundClosed':
    case 'dealsSettled':
      return event.results.flatMap(result => resultLines(result, event.round, account))
    case 'stakeReleased':
      return event.verifier === account
        ? [{ kind: 'stake back', amount: event.amount, reason: 'stake that was taken back' }]
        : []
    case 'silent':
      return event.verifier === account
        ? [
            {
              kind: 'penalty',
              amount: 0n,
              round: event.round,
              reason: `lost ${event.penalty} atto of stake for silence`
            }
          ]
        : []
    case 'openingDemanded':
      return state.deals.get(event.dealId)?.client === account
        ? [{ kind: 'bond', amount: -event.bond, dealId: event.dealId, reason: 'demanded an opening' }]
        : []
    case 'bondPaid':
      return event.to === account
        ? [{ kind: 'bond back', amount: event.bond, dealId: event.dealId, reason: 'bond of a demanded opening' }]
        : []
    case 'transcriptDemanded':
    case 'transcriptAnswered':
    case 'refuted':
      return disputeLines(event, account)
    case 'dealEnded':
    case 'dealFailed':
      return endLines(state, event, account)
    default:
      return []
  }
}

function transferLines({ from, to, amount }: Extract<LedgerEvent, { kind: 'transferred' }>, account: Address): Line[] {
  const lines: Line[] = []
  if (from === account) lines.push({ kind: 'sent', amount: -amount, with: to, reason: `sent to ${to}` })
  if (to === account) lines.push({ kind: 'received', amount, with: from, reason: `received from ${from}` })
  return lines
}

function resultLines(result: DealResult, round: number, account: Address): Line[] {
  const { dealId, client, provider, outcome, paid, withheld, reward, fees, paidVerifiers } = result
  const lines: Line[] = []
  const about = { round, dealId } as const
  if (provider === account) {
    lines.push(
      paid + withheld > 0n
        ? { ...about, kind: 'pay', amount: paid, withheld, with: client, reason: `round ${round} ${reasonOf(outcome)}` }
        : { ...about, kind: 'no pay', amount: 0n, with: client, reason: whyUnpaid(result, round) }
    )
    if (reward > 0n)
      lines.push({ ...about, kind: 'reward', amount: reward, reason: 'took the deal over and proved it' })
  }
  if (paidVerifiers.includes(account)) {
    const amount = fees / BigInt(paidVerifiers.length)
    lines.push({ ...about, kind: 'fee', amount, with: provider, reason: `checked round ${round}` })
  }
  return lines
}

function reasonOf(outcome: Outcome): string {
  if (outcome.kind === 'proved')
    return outcome.by === 'quorum' ? 'was proved to its verifiers' : 'was proved on the ledger'
  return outcome.kind === 'void' ? 'is void: it closed late' : `was not proved: ${outcome.reason}`
}

function whyUnpaid({ outcome, docketLeaves }: DealResult, round: number): string {
  if (outcome.kind !== 'proved') return `round ${round} ${reasonOf(outcome)}`
  return docketLeaves > 0
    ? `round ${round} was proved, but ${docketLeaves} leaves of earlier rounds are still owed`
    : `round ${round} was proved, and its price is nothing`
}

function disputeLines(
  event: Extract<LedgerEvent, { kind: 'transcriptDemanded' | 'transcriptAnswered' | 'refuted' }>,
  account: Address
): Line[] {
  const about = { round: event.round, dealId: event.dealId, with: event.verifier } as const
  if (event.kind === 'transcriptDemanded')
    return event.demander === account
      ? [{ ...about, kind: 'bond', amount: -event.bond, reason: 'demanded a transcript' }]
      : []
  if (event.kind === 'transcriptAnswered')
    return event.demander === account
      ? [
          {
            ...about,
            kind: 'bond',
            amount: 0n,
            reason: `the verifier answered: the bond of ${event.bond} atto is burned`
          }
        ]
      : []
  const lines: Line[] = []
  if (event.demander === account && event.bond > 0n)
    lines.push({ ...about, kind: 'bond back', amount: event.bond, reason: 'the demand was right' })
  if (event.refuter === account)
    lines.push({ ...about, kind: 'share of a refutation', amount: event.reward, reason: event.reason })
  if (event.verifier === account)
    lines.push({ ...about, kind: 'penalty', amount: 0n, reason: `lost ${event.lost} atto of stake: ${event.reason}` })
  return lines
}

function endLines(
  state: Pick<LedgerState, 'deals'>,
  event: Extract<LedgerEvent, { kind: 'dealEnded' | 'dealFailed' }>,
  account: Address
): Line[] {
  const deal = state.deals.get(event.dealId)
  if (deal === undefined) return []
  const { dealId, refunded } = event
  const how = event.kind === 'dealEnded' ? 'ended' : 'failed'
  const lines: Line[] = []
  if (deal.client === account && refunded > 0n)
    lines.push({ kind: 'refund', amount: refunded, dealId, reason: `the deal ${how}; this was not used` })
  if (deal.provider === account && event.kind === 'dealEnded' && event.collateralReturned > 0n)
    lines.push({ kind: 'collateral back', amount: event.collateralReturned, dealId, reason: 'the deal ended' })
  if (deal.provider === account && event.kind === 'dealFailed')
    lines.push({
      kind: 'forfeit',
      amount: 0n,
      dealId,
      reason: `the deal failed: ${event.forfeited} atto of collateral are gone to its repair`
    })
  return lines
}
