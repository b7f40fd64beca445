/** All that can happen in a run, and how often. */
import fc from 'fast-check'
import * as disputes from './dispute-plays.ts'
import * as money from './money-plays.ts'
import type { Player, Step } from './player.ts'
import * as proofs from './proof-plays.ts'
import * as rounds from './round-plays.ts'

type Play = (player: Player, step: Step) => void | Promise<void>

const PLAYS: Readonly<Record<string, { readonly weight: number; readonly play: Play }>> = {
  wholeRound: { weight: 32, play: rounds.wholeRound },
  openRound: { weight: 5, play: rounds.openRound },
  lateRound: { weight: 2, play: rounds.lateRound },
  neglect: { weight: 4, play: rounds.neglect },
  siege: { weight: 1, play: rounds.siege },
  voidRounds: { weight: 2, play: rounds.voidRounds },
  settle: { weight: 2, play: rounds.settle },
  badEntry: { weight: 1, play: rounds.badEntry },
  repeat: { weight: 4, play: rounds.repeat },
  restart: { weight: 1, play: rounds.restart },
  attest: { weight: 4, play: proofs.attest },
  attestAll: { weight: 3, play: proofs.attestAll },
  proveRound: { weight: 5, play: proofs.proveRound },
  proveAll: { weight: 2, play: proofs.proveAll },
  clearDocket: { weight: 6, play: proofs.clearDocket },
  addPieces: { weight: 6, play: proofs.addPieces },
  removePieces: { weight: 3, play: proofs.removePieces },
  transfer: { weight: 2, play: money.transfer },
  ask: { weight: 2, play: money.ask },
  stake: { weight: 2, play: money.stake },
  unstake: { weight: 2, play: money.unstake },
  openDeal: { weight: 3, play: money.openDeal },
  topUp: { weight: 1, play: money.topUp },
  endDeal: { weight: 2, play: money.endDeal },
  demandOpening: { weight: 3, play: money.demandOpening },
  orderTakeOver: { weight: 3, play: money.orderTakeOver },
  handOver: { weight: 8, play: money.handOver },
  reserved: { weight: 1, play: money.reserved },
  demandTranscript: { weight: 3, play: disputes.demandTranscript },
  answerTranscript: { weight: 4, play: disputes.answerTranscript },
  refute: { weight: 3, play: disputes.refute }
}

const number = fc.nat(0xffff)

export const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(...Object.entries(PLAYS).map(([kind, { weight }]) => ({ weight, arbitrary: fc.constant(kind) }))),
  who: number,
  what: number,
  how: number,
  flaw: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(14) })
})

export async function playStep(player: Player, step: Step): Promise<void> {
  await PLAYS[step.kind]!.play(player, step)
}
