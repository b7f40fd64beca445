/**
 * Stops of the host, of all verifiers, and of a donor, at any moment: what a network of honest parties makes of them.
 *
 * Time is counted in fifths of a round. Whoever is up at a moment does what it would do then: providers push as soon as they
 * can and prove to the ledger in the last two fifths, verifiers attest from the middle on, and the host opens rounds, late
 * ones too, and passes over those that are too late.
 */
import { opensLate, roundOpensMs } from '../../src/rounds/schedule.ts'
import type { Chance } from './chance.ts'
import { openBusiness, setAsk } from './clients.ts'
import { partyOf } from './parties.ts'
import { clearDockets, proveToLedger, pushProofs } from './providers.ts'
import { HONEST, type Scenario } from './scenario.ts'
import { attest } from './verifiers.ts'
import { World } from './world.ts'

export const FIFTHS = 5

/** From, and up to but not including, a fifth. */
export interface Stop {
  readonly who: 'host' | 'verifiers' | 'donor'
  readonly from: number
  readonly to: number
}

/** Stops at any moments, each shorter than the time of cure; so is every time in which donor and ledger cannot meet. */
export function anyStops(chance: Chance, cureRounds: number, rounds: number): Stop[] {
  const stops: Stop[] = []
  for (let index = chance.between(1, 6); index > 0; index -= 1) {
    const from = chance.between(FIFTHS, rounds * FIFTHS)
    const to = from + chance.between(1, cureRounds * FIFTHS - 1)
    const stop: Stop = { who: chance.pick(['host', 'verifiers', 'donor']), from, to }
    if (longestApart([...stops, stop]) < cureRounds * FIFTHS) stops.push(stop)
  }
  return stops
}

/** The longest time, in fifths, in which the donor is away, or the host. */
function longestApart(stops: readonly Stop[]): number {
  let [longest, current] = [0, 0]
  const end = Math.max(0, ...stops.map(({ to }) => to))
  for (let fifth = 0; fifth <= end; fifth += 1) {
    const apart = stops.some(({ who, from, to }) => who !== 'verifiers' && from <= fifth && fifth < to)
    current = apart ? current + 1 : 0
    longest = Math.max(longest, current)
  }
  return longest
}

export async function playStops(scenario: Scenario, stops: readonly Stop[]): Promise<World> {
  const world = new World(scenario, HONEST)
  const { network } = world
  const isUp = (who: Stop['who'], fifth: number) =>
    !stops.some(stop => stop.who === who && stop.from <= fifth && fifth < stop.to)
  const donor = partyOf('other provider')
  setAsk(world, donor, donor)
  for (const { name, places } of scenario.verifiers) {
    const { address } = partyOf(name)
    const amount = network.parameters.money.stakeUnit * BigInt(places)
    network.take(
      network.command('VerifierStake', partyOf(name), { verifier: address, operator: address, amount, addresses: [] })
    )
  }
  openBusiness(world, partyOf('other client'), donor, scenario.pieces)
  const end = (Math.ceil(Math.max(1, ...stops.map(({ to }) => to)) / FIFTHS) + 4) * FIFTHS
  for (let fifth = 0; fifth < end; fifth += 1) {
    if (!isUp('host', fifth)) continue
    keepTime(world, fifth)
    await act(world, fifth % FIFTHS, isUp('donor', fifth), isUp('verifiers', fifth))
  }
  return world
}

/** Opens the round that it is time for, or passes over what is too late. Round 1 begins at fifth 0. */
function keepTime({ network, state, pushes }: World, fifth: number): void {
  const { parameters } = network
  const nowMs = roundOpensMs(parameters, 1) + (fifth * parameters.roundMs) / FIFTHS
  let late = 0
  while (opensLate(parameters, state.round + late + 1, nowMs)) late += 1
  if (late > 0) network.voidRounds(late)
  const opensMs = roundOpensMs(parameters, state.round + 1)
  if (opensMs > nowMs) return
  network.openRound(nowMs - opensMs)
  pushes.clear()
}

async function act(world: World, phase: number, isDonorUp: boolean, areVerifiersUp: boolean): Promise<void> {
  const { open } = world.state
  if (isDonorUp) {
    if (open !== undefined && phase < 3) await pushProofs(world)
    if (open !== undefined && phase >= 3) await proveToLedger(world)
    else await clearDockets(world)
  }
  if (open === undefined || !areVerifiersUp || phase < 2) return
  for (const { party } of world.verifiers) {
    const isFirst = !open.attestations.has(party.address)
    const hasAll = world.assignedTo(party).every(dealId => world.pushes.has(`${party.address}/${dealId}`))
    if (isFirst && (hasAll || phase === 3)) attest(world, party, false)
  }
}
