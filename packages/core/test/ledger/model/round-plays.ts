/** Steps about time: rounds, boundaries in slices, entries out of order, a process that dies. */
import { beaconRoundOf, roundOpensMs } from '../../../src/rounds/schedule.ts'
import { demandTranscript } from './dispute-plays.ts'
import { ownFlaw, type Player, pick, type Step } from './player.ts'
import { attestAll, proveAll } from './proof-plays.ts'
import { ROUNDS_MAX, signatureOf } from './world.ts'

export function openRound(player: Player, step: Step): void {
  const { ledger, model } = player
  const { parameters } = ledger
  const round = model.round + 1
  if (round >= ROUNDS_MAX) return
  const flaw = ownFlaw(step)
  const opensMs = roundOpensMs(parameters, round)
  const late = step.how % 4 === 3 ? parameters.roundLateMsMax : step.how % parameters.roundLateMsMax
  if (flaw === 0) ledger.nowMs = Math.max(ledger.nowMs, opensMs - 1)
  else ledger.nowMs = Math.max(ledger.nowMs, opensMs + (flaw === 1 ? parameters.roundLateMsMax + 1 : late))
  const beaconRound = beaconRoundOf(parameters, round)
  const isRight = flaw !== 2
  // A signature that the beacon made, for another round.
  const beaconSignature = signatureOf(isRight ? beaconRound : beaconRound + 1)
  player.append({ kind: 'openRound', round: round + (flaw === 3 ? 1 : 0), beaconSignature }, isRight)
}

export function voidRounds(player: Player, step: Step): void {
  const { ledger, model } = player
  const from = model.round + 1
  const to = from + (step.what % 3)
  if (to >= ROUNDS_MAX) return
  const flaw = ownFlaw(step)
  const lateMs = roundOpensMs(ledger.parameters, to) + ledger.parameters.roundLateMsMax
  ledger.nowMs = Math.max(ledger.nowMs, lateMs + (flaw === 0 ? 0 : 1))
  player.append({ kind: 'voidRounds', from: from + (flaw === 1 ? 1 : 0), to: flaw === 2 ? from - 1 : to })
}

/** A round in which all goes as it should, or does not, and the next one opens. */
export async function wholeRound(player: Player, step: Step): Promise<void> {
  if (step.who % 5 !== 4) await attestAll(player, step)
  if (step.what % 5 > 2) await proveAll(player, step)
  openRound(player, { ...step, flaw: 0 })
}

/** A round in which all goes as it should, and which closes late. */
export async function lateRound(player: Player, step: Step): Promise<void> {
  await attestAll(player, step)
  if (step.who % 2 === 0) await proveAll(player, step)
  voidRounds(player, { ...step, flaw: 0 })
}

/** Nobody proves anything for as long as it takes a deal to fail. */
export function neglect(player: Player, step: Step): void {
  for (let round = 0; round <= player.ledger.parameters.proving.cureRounds; round += 1)
    openRound(player, { ...step, flaw: 0 })
}

/**
 * A verifier takes its stake back, is asked for a transcript, and does not answer, while all rounds close late: demands do
 * not grow older then, and its stake has to wait for them.
 */
export async function siege(player: Player, step: Step): Promise<void> {
  const { disputeRounds, answerRounds } = player.ledger.parameters.proving
  await attestAll(player, { ...step, how: 0, what: 0 })
  openRound(player, { ...step, flaw: 0 })
  for (const { address, stake } of player.model.verifiers)
    if (stake > 0n)
      player.submit(player.sign('Unstake', { ...step, flaw: 0 }, address, { verifier: address, amount: stake }))
  for (let opening = 0; opening < disputeRounds + answerRounds + 3; opening += 1) {
    if (opening === disputeRounds - 1) demandTranscript(player, { ...step, how: 0, flaw: 0 })
    voidRounds(player, { ...step, what: 0, flaw: 0 })
    openRound(player, { ...step, flaw: 0 })
  }
}

export async function settle(player: Player, step: Step): Promise<void> {
  await player.ledger.expectSlicesAgree([1 + (step.who % 7), 1 + (step.what % 3)])
  player.append({ kind: 'settle', count: 1 + (step.how % 9 === 8 ? 1023 : step.how % 3) })
}

/** An entry that is none: out of order, from the past, a second genesis. */
export function badEntry(player: Player, step: Step): void {
  const { ledger, model } = player
  const body = { kind: 'settle', count: 1 } as const
  const { sequence, timeMs } = model
  if (step.how % 3 === 0) ledger.append(body, {}, { sequence: pick([sequence + 1, sequence - 1, 0], step.what) })
  else if (step.how % 3 === 1) ledger.append(body, {}, { timeMs: timeMs - 1 })
  else player.append({ kind: 'genesis', networkId: ledger.state.networkId })
}

/** Something that was submitted before comes again, or what was held back comes now. */
export function repeat(player: Player, step: Step): void {
  const held = player.held.length > 0 ? player.held.splice(step.who % player.held.length, 1)[0] : undefined
  const again = player.history.length === 0 ? undefined : pick(player.history.slice(-25), step.who)
  const submission = (step.how % 2 === 0 ? held : undefined) ?? again
  if (submission !== undefined) player.submit(submission)
}

export async function restart(player: Player, step: Step): Promise<void> {
  await player.ledger.restart()
  if (step.how % 4 === 0) player.ledger.replay()
}
