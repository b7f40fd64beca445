/** What must happen sometimes: runs that never meet it show nothing about it. */
import { type DealResult, type LedgerEvent, resultsIn } from '../../../src/ledger/event.ts'
import { EXPECTED, type Moment } from './expected-events.ts'
import type { Decided, PairedLedger } from './paired-ledger.ts'
import { findDeal, type ModelState } from './simple/state.ts'

export class RareEvents {
  readonly counts = new Map<string, number>(EXPECTED.map(name => [name, 0]))
  runs = 0
  entries = 0
  readonly #before = new WeakMap<PairedLedger, ModelState>()

  countRun(entries: number): void {
    this.runs += 1
    this.entries += entries
  }

  see({ entry: { body }, refusal, applied }: Decided, paired: PairedLedger): void {
    const { model } = paired
    const before = this.#before.get(paired) ?? model
    this.#before.set(paired, model)
    if (refusal !== undefined) {
      this.#count(`refused: ${refusal.code}`)
      const dealId =
        body.kind === 'command' && 'dealId' in body.command.statement ? body.command.statement.dealId : undefined
      if (dealId !== undefined && isWaiting(model, dealId)) this.#saw('a refused command settled nothing')
      return
    }
    if (body.kind === 'command') {
      this.#count(`taken: ${body.command.kind}`)
      const { statement } = body.command
      if ('dealId' in statement && isWaiting(before, statement.dealId)) this.#saw('a command settled its deal')
      const last = model.ids.at(-1)
      if ('id' in statement && model.ids.filter(one => one.id === last?.id && one.signer === last.signer).length > 1)
        this.#saw('an id was used again after its time')
    } else if (body.kind === 'openRound' || body.kind === 'voidRounds') {
      if (before.boundary !== undefined) this.#saw('a boundary settled what the one before had left')
      if (body.kind === 'voidRounds' && before.open === undefined) this.#saw('rounds were void with nothing open')
      if (model.verifiers.some(({ leaving }) => leaving.some(({ opening }) => opening <= before.openings)))
        this.#saw('stake was held back by a dispute')
    }
    for (const event of applied?.events ?? []) this.#seeEvent(event, before, model)
  }

  #seeEvent(event: LedgerEvent, before: ModelState, model: ModelState): void {
    if (event.kind === 'roundClosed' || event.kind === 'dealsSettled')
      for (const result of resultsIn(event)) this.#seeResult(result, event.late, model)
    const deal = 'dealId' in event ? findDeal(model, event.dealId) : undefined
    const dealBefore = deal && findDeal(before, deal.id)
    switch (event.kind) {
      case 'dealFailed':
        this.#saw('a deal failed')
        if (event.forfeited > 0n) this.#saw('collateral was forfeited')
        break
      case 'dealEnded':
        this.#saw('a deal ended')
        if (deal !== undefined && model.round - 1 > deal.lastRound && dealBefore?.docket.length !== 0)
          this.#saw('a deal waited for an empty docket to end')
        if (dealBefore !== undefined && dealBefore.docket.length === 0 && before.round - 1 > dealBefore.lastRound)
          this.#saw('a deal waited for an empty docket to end')
        break
      case 'dealEnding':
        if (event.reason === 'empty escrow') this.#saw('an escrow ran empty')
        break
      case 'piecesGone':
        this.#saw('pieces are gone')
        if (dealBefore?.docket.some(({ pieceId }) => event.pieceIds.includes(pieceId)))
          this.#saw('pieces are gone with leaves that were owed')
        break
      case 'bondPaid':
        if (deal?.provider === event.to) this.#saw('a demanded opening was proved')
        else if (deal?.status === 'ended' || deal?.status === 'failed')
          this.#saw('a bond came back with the end of its deal')
        else this.#saw('a demanded opening was not proved')
        break
      case 'refuted':
        if (event.reason === 'no answer') this.#saw('refuted by silence')
        else this.#saw(event.bond > 0n ? 'refuted by a transcript that was demanded' : 'refuted by a transcript')
        break
      case 'selfProved':
        if (event.docketLeavesCleared > 0 && deal !== undefined && deal.docket.length > 0)
          this.#saw('a docket is cleared in slices')
        if (event.docketLeavesCleared > 0 && model.open === undefined)
          this.#saw('a docket is cleared while no round is open')
        break
      case 'transcriptAnswered':
        this.#saw('a transcript was answered')
        break
      case 'silent':
        this.#saw('a verifier was silent')
        break
      case 'stakeReleased':
        this.#saw('stake was released')
        break
      case 'handedOver':
        this.#saw('a deal was handed over')
        break
      case 'burned':
        this.#saw('a repair budget was burned')
        break
      default:
    }
    if ((event.kind === 'dealEnded' || event.kind === 'dealFailed') && deal !== undefined) {
      if (deal.burned > 0n) this.#saw('escrow from a repair budget was burned')
      if (dealBefore !== undefined && dealBefore.reward > 0n) this.#saw('a reward was burned')
    }
  }

  #seeResult(
    { outcome, docketLeaves, dealId, withheld, paid, reward }: DealResult,
    late: boolean,
    model: ModelState
  ): void {
    const deal = findDeal(model, dealId)!
    if (reward > 0n) this.#saw('a reward was earned')
    if (docketLeaves === model.parameters.proving.docketLeavesMax) this.#saw('a docket is full')
    if (outcome.kind === 'fault') this.#saw(`fault: ${outcome.reason}`)
    else if (outcome.kind === 'void') {
      this.#saw('a round closed late, and a deal is void')
      const due = Math.min(deal.answerFrom ?? Number.POSITIVE_INFINITY, deal.demand?.from ?? Number.POSITIVE_INFINITY)
      if (due <= model.openings) this.#saw('an answer that is due is carried past a void round')
    } else {
      this.#saw(`proved by ${outcome.by}`)
      if (late) this.#saw('a round closed late, and a deal is proved all the same')
      if (docketLeaves > 0) this.#saw('proved, and unpaid for what is still owed')
      if (paid > 0n && withheld === 0n) this.#saw('collateral is full')
    }
  }

  #saw(moment: Moment): void {
    this.#count(moment)
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }

  /** What was expected and never happened. */
  missing(): string[] {
    return EXPECTED.filter(name => this.counts.get(name) === 0)
  }

  /** One line a name, the rarest first. */
  report(): string {
    const lines = [...this.counts]
      .sort(([, a], [, b]) => a - b)
      .map(([name, count]) => `${`${count}`.padStart(9)}  ${name}`)
    return `${this.runs} runs, ${this.entries} entries taken\n${lines.join('\n')}`
  }
}

/** Says whether a deal has not passed the newest boundary. */
function isWaiting({ boundary }: ModelState, dealId: number): boolean {
  return (
    boundary !== undefined &&
    boundary.dealIds.indexOf(dealId) >= boundary.visited &&
    boundary.dealIds.includes(dealId) &&
    !boundary.passed.includes(dealId)
  )
}
