/** What strategies gain over honest play: paired plays under one beacon, and sums over many of them. */
import { chanceOf } from './chance.ts'
import { type Played, play } from './play.ts'
import { anyStrategy, HONEST, type Scenario, type Strategy, scenarioOf } from './scenario.ts'

export interface Pair {
  readonly name: string
  /** Whom it wronged that was honest: nobody. */
  readonly complaints: readonly string[]
  /** What happened while it cheated. */
  readonly counts: Played['world']['ombudsman']['counts']
  readonly facts: string
  /** Over honest play, in rounds of the main deal's price. */
  readonly gain: number
}

/** @param name - everything follows from it */
export async function playPair(name: string, strategyOrAny: Strategy | undefined): Promise<Pair> {
  const scenario = scenarioOf(name)
  const strategy = strategyOrAny ?? anyStrategy(chanceOf(`strategy ${name}`))
  const cheat = await play(scenario, strategy)
  // Who only deals with itself could also have stored for as long as it was proved and then stopped; and an operator that
  // was named wrongly decides who checks, not what is gained by cheating.
  const isAlone = scenario.friends.client && scenario.friends.provider
  const baseline = { ...HONEST, borrowsOperator: strategy.borrowsOperator }
  const honest = await play(scenario, baseline, isAlone ? { stopAfter: cheat.proved } : {})
  return {
    name,
    complaints: [...cheat.complaints, ...honest.complaints],
    counts: cheat.world.ombudsman.counts,
    facts: JSON.stringify({ strategy, scenario }, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
    gain: gainOf(scenario, cheat.payoff - honest.payoff)
  }
}

export function gainOf({ parameters, pricePerLeafRound, pieces }: Scenario, atto: bigint): number {
  const price = pricePerLeafRound * BigInt(pieces * 8)
  const least = parameters.money.pricePerRoundMin
  const unit = [price, least, 1n].reduce((most, one) => (one > most ? one : most))
  // In millionths, so that no amount becomes a number before it is small.
  return Number((atto * 1_000_000n) / unit) / 1_000_000
}

export interface Row {
  readonly strategy: string
  readonly count: number
  readonly mean: number
  readonly standardError: number
  /** Mean of gains with losses cut off at so many rounds: what is gained now and then is not hidden by rare large losses. */
  readonly cutMean: number
  readonly cutStandardError: number
  readonly max: number
  readonly maxName: string
}

const CUT = -5

export function rowOf(strategy: string, pairs: readonly Pair[]): Row {
  const gains = pairs.map(({ gain }) => gain)
  const [mean, standardError] = statisticsOf(gains)
  const [cutMean, cutStandardError] = statisticsOf(gains.map(gain => Math.max(gain, CUT)))
  const best = pairs.reduce((most, pair) => (pair.gain > most.gain ? pair : most))
  return {
    strategy,
    count: pairs.length,
    mean,
    standardError,
    cutMean,
    cutStandardError,
    max: best.gain,
    maxName: best.name
  }
}

/** @returns mean, and its standard error */
export function statisticsOf(values: readonly number[]): [number, number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return [mean, Math.sqrt(squares / Math.max(1, values.length - 1) / values.length)]
}

export function formatRow({ strategy, count, mean, standardError, cutMean, max }: Row): string {
  const figures = [mean, standardError, cutMean, max].map(figure => figure.toFixed(3).padStart(12)).join(' ')
  return `${strategy.padEnd(38)} ${String(count).padStart(5)} ${figures}`
}
