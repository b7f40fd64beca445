/** Watches every event of a play for what must never happen to those who do nothing wrong. */
import type { DealResult, LedgerEvent } from '../../src/ledger/event.ts'
import { resultsIn } from '../../src/ledger/event.ts'
import { feePerVerifier, priceOfOpening } from '../../src/ledger/price.ts'
import { verdictsOn } from '../../src/ledger/settle-deal.ts'
import type { LedgerState } from '../../src/ledger/state.ts'
import type { Address } from '../../src/schema.ts'

export class Ombudsman {
  readonly #friends: ReadonlySet<Address>
  readonly complaints: string[] = []
  /** What happened, so that tests can show that it did. */
  readonly counts = { proved: 0, faulted: 0, void: 0, failed: 0, refuted: 0, silent: 0, handedOver: 0, forfeited: 0n }
  /** Of each deal, what its proved rounds cost by their price. */
  readonly proved = new Map<number, bigint>()
  /** What outsiders' collateral lost. */
  outsidersForfeited = 0n

  /** @param friends - those who conspire: what happens to them is their own business */
  constructor(friends: ReadonlySet<Address>) {
    this.#friends = friends
  }

  see(state: LedgerState, event: LedgerEvent): void {
    const round = event.kind === 'roundClosed' || event.kind === 'dealsSettled' ? event.round : undefined
    for (const result of resultsIn(event)) this.#seeResult(state, result, round!)
    if (event.kind === 'refuted') {
      this.counts.refuted += 1
      if (!this.#friends.has(event.verifier))
        this.complaints.push(`honest verifier refuted in round ${event.round}: ${event.reason}`)
    }
    if (event.kind === 'silent') {
      this.counts.silent += 1
      if (!this.#friends.has(event.verifier)) this.complaints.push(`honest verifier called silent in ${event.round}`)
    }
    if (event.kind === 'handedOver') this.counts.handedOver += 1
    if (event.kind !== 'dealFailed') return
    this.counts.failed += 1
    this.counts.forfeited += event.forfeited
    if (this.#friends.has(state.deals.get(event.dealId)!.provider)) return
    this.outsidersForfeited += event.forfeited
    this.complaints.push(`deal ${event.dealId} of an honest provider failed`)
  }

  #seeResult(state: LedgerState, result: DealResult, round: number): void {
    const { outcome, dealId, provider, paid, withheld, fees, paidVerifiers } = result
    this.counts[outcome.kind === 'fault' ? 'faulted' : outcome.kind] += 1
    const deal = state.deals.get(dealId)!
    const closed = state.closed.get(round)
    if (closed === undefined) return
    const { money, proving } = state.parameters
    const price = priceOfOpening(money, deal, closed.opening)
    if (outcome.kind === 'proved') this.proved.set(dealId, (this.proved.get(dealId) ?? 0n) + price)
    if (paid + withheld + fees > price) this.complaints.push(`deal ${dealId} paid more than its price in ${round}`)
    if (outcome.kind !== 'void') {
      const due = verdictsOn(state, closed, dealId).filter(
        ({ verdict }) => verdict === 'pass' || verdict === 'bad proof'
      )
      if (due.some(({ verifier }) => !paidVerifiers.includes(verifier)))
        this.complaints.push(`a yes or a no was not paid in ${round}`)
      const fee = feePerVerifier(money, price, proving.verifiersPerDeal)
      if (fees !== fee * BigInt(paidVerifiers.length)) this.complaints.push(`fees differ in ${round}`)
    }
    if (outcome.kind === 'fault' && !this.#friends.has(provider))
      this.complaints.push(`deal ${dealId} of an honest provider was faulted in ${round}: ${outcome.reason}`)
  }
}
