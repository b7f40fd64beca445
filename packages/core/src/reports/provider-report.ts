/**
 * What is known of each provider, in numbers that do not claim more than they show. Pure: of the ledger's state, which is
 * public, and of one verifier's own observations, which are its word and nobody else's.
 */

import { newestAskOf } from '../ledger/asks.ts'
import { isRunning } from '../ledger/live-deals.ts'
import type { Deal, LedgerState } from '../ledger/state.ts'
import type { Observation, ObservationKind, ObservationOf } from '../observations/observation.ts'
import type { ObservationBook } from '../observations/observation-book.ts'
import { THROUGHPUT_SAMPLE_BYTES_MIN } from '../placement/measurement.ts'
import type { Address } from '../schema.ts'
import { type Share, shareOf } from './confidence.ts'
import { type Percentiles, percentilesOf } from './percentiles.ts'

export interface ProviderReport {
  readonly provider: Address
  /** Whose machine it says it is, and where; as its newest ask says, empty without one. */
  readonly operator: Address | undefined
  readonly region: string
  /** Running now. */
  readonly deals: number
  /** Of all its deals since genesis, by the ledger: a round of a deal each. */
  readonly rounds: { readonly proved: number; readonly faulted: number; readonly void: number }
  /** Rounds that were proved, of those that were not void: the chance that a challenged deal is proved in its round. */
  readonly proving: Share
  /**
   * Leaves that closed rounds drew at random from its deals, and that were shown in their round. The bound is on the share of
   * bytes that it holds, each deal weighing by the leaves that it draws: had less been there, so many leaves would have been
   * shown with 5 % probability at most. All leaves of a fault count as missing, also those that were proved later; void rounds
   * count none. With n leaves and no fault it is 0.05^(1/n). Says nothing about separate copies.
   */
  readonly storing: Share
  /** Reads of public objects as any reader makes them: the chance that one succeeds. Nothing public, nothing measured. */
  readonly retrieval: Share
  /** This verifier's own checks of proofs. */
  readonly checks: { readonly pass: number; readonly badProof: number; readonly noAnswer: number }
  /**
   * Blocks of public objects that were to be shown in the pieces that are paid for. Whose lie it is when one is not bound it does
   * not say: a client chooses the label, a provider shows the block. `unboundDeals` are those, ascending.
   */
  readonly binding: {
    readonly bound: number
    readonly notBound: number
    readonly noAnswer: number
    readonly unboundDeals: readonly number[]
  }
  /** Milliseconds from the first request of a read to its first byte, a new connection included. */
  readonly firstByteMs: Percentiles | undefined
  /** Milliseconds from when the challenges were known to the proof. */
  readonly proofMs: Percentiles | undefined
  /** Of reads that moved enough to tell: millions of bytes a second, the median and what nine in ten reach. */
  readonly megabytesPerSecond: { readonly p50: number; readonly p10: number; readonly count: number } | undefined
  /** The newest thing that went wrong: foreign text. */
  readonly lastTrouble: Trouble | undefined
}

export interface Trouble {
  readonly kind: ObservationKind
  readonly outcome: string
  readonly dealId: number
  readonly round: number
  readonly timeMs: number
  readonly reason: string
}

/**
 * @param observations - of a verifier; none for a peer that only follows the ledger
 * @param provider - the only one that is asked about; undefined for all that have, or had, deals or were observed
 * @returns those of whom anything is known, by address, so that two reports can be compared
 */
export function reportProviders(
  state: LedgerState,
  observations: Pick<ObservationBook, 'list' | 'providers'> | undefined,
  provider?: Address
): ProviderReport[] {
  const deals = Map.groupBy(
    [...state.deals.values()].filter(deal => provider === undefined || deal.provider === provider),
    deal => deal.provider
  )
  const observed = (observations?.providers() ?? []).filter(one => provider === undefined || one === provider)
  return [...new Set([...deals.keys(), ...observed])]
    .sort()
    .map(address => reportOf(state, address, deals.get(address) ?? [], observations?.list(address) ?? []))
}

function reportOf(
  state: LedgerState,
  provider: Address,
  deals: readonly Deal[],
  observations: readonly Observation[]
): ProviderReport {
  const ask = newestAskOf(state, provider)
  const rounds = { proved: 0, faulted: 0, void: 0 }
  const leaves = { shown: 0, asked: 0 }
  for (const deal of deals) {
    rounds.proved += deal.rounds.proved
    rounds.faulted += deal.rounds.faulted
    rounds.void += deal.rounds.void
    leaves.shown += deal.rounds.proved * deal.leavesPerRound
    leaves.asked += (deal.rounds.proved + deal.rounds.faulted) * deal.leavesPerRound
  }
  const proofs = ofKind(observations, 'proof')
  const reads = ofKind(observations, 'read')
  const bindings = ofKind(observations, 'binding')
  return {
    provider,
    operator: ask?.operator,
    region: ask?.region ?? '',
    deals: deals.filter(isRunning).length,
    rounds,
    proving: shareOf(rounds.proved, rounds.proved + rounds.faulted),
    storing: shareOf(leaves.shown, leaves.asked),
    retrieval: shareOf(tally(reads, 'read'), reads.length),
    checks: {
      pass: tally(proofs, 'pass'),
      badProof: tally(proofs, 'bad proof'),
      noAnswer: tally(proofs, 'no answer')
    },
    binding: {
      bound: tally(bindings, 'bound'),
      notBound: tally(bindings, 'not bound'),
      noAnswer: tally(bindings, 'no answer'),
      unboundDeals: unboundDealsOf(bindings)
    },
    firstByteMs: percentilesOf(reads.flatMap(({ firstByteMs }) => firstByteMs ?? [])),
    proofMs: percentilesOf(proofs.flatMap(({ answerMs }) => answerMs ?? [])),
    megabytesPerSecond: speedOf(reads),
    lastTrouble: lastTroubleOf(observations)
  }
}

function ofKind<Kind extends ObservationKind>(observations: readonly Observation[], kind: Kind): ObservationOf<Kind>[] {
  return observations.filter((one): one is ObservationOf<Kind> => one.kind === kind)
}

function tally<Outcome extends string>(of: readonly { readonly outcome: Outcome }[], wanted: Outcome): number {
  return of.filter(({ outcome }) => outcome === wanted).length
}

function unboundDealsOf(bindings: readonly ObservationOf<'binding'>[]): number[] {
  const unbound = bindings.filter(({ outcome }) => outcome === 'not bound')
  return [...new Set(unbound.map(({ dealId }) => dealId))].sort((a, b) => a - b)
}

function speedOf(reads: readonly ObservationOf<'read'>[]): ProviderReport['megabytesPerSecond'] {
  const secondsPerMegabyte = percentilesOf(
    reads.flatMap(({ bytes, transferMs = 0 }) =>
      bytes < THROUGHPUT_SAMPLE_BYTES_MIN || !(transferMs > 0) ? [] : [(transferMs * 1000) / bytes]
    )
  )
  if (secondsPerMegabyte === undefined) return undefined
  const { p50, p90, count } = secondsPerMegabyte
  return { p50: 1 / p50, p10: 1 / p90, count }
}

const GOOD: ReadonlySet<string> = new Set(['pass', 'read', 'bound'])

function lastTroubleOf(observations: readonly Observation[]): Trouble | undefined {
  const last = observations.findLast(({ outcome }) => !GOOD.has(outcome))
  if (last === undefined) return undefined
  const { kind, outcome, dealId, round, timeMs } = last
  return { kind, outcome, dealId, round, timeMs, reason: reasonOf(last) }
}

/** A proof that did not come, or was wrong, is a fact of its round: there is no more to say, and people are told that much. */
function reasonOf(trouble: Observation): string {
  if (trouble.kind !== 'proof') return trouble.reason ?? 'no reason was given'
  return trouble.outcome === 'bad proof'
    ? `its proof of round ${trouble.round} was wrong`
    : `no proof of round ${trouble.round} came in time`
}
