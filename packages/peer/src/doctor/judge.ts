/** The doctor's judgements: pure functions of what was measured. */
import { type NetworkParameters, roundAtMs } from '@holdfast/core'
import { formatSize } from '../units.ts'
import { type AuditView, describeDamage } from '../views/audit-view.ts'
import { type Finding, ok, problem, skipped, warning } from './finding.ts'

/** The ledger host refuses entries when its clock and the beacon's differ by more; so does everybody's schedule. */
export const CLOCK_OFF_MS_MAX = 60_000
/** Proofs come late by as much; a few seconds cost nothing in a round of an hour. */
const CLOCK_OFF_MS_WARNING = 5_000

export interface DiskFacts {
  readonly path: string
  readonly freeBytes: number
  /** What the operator gives to the network. */
  readonly allocatedBytes: number
  /** Already held for the network. */
  readonly usedBytes: number
  /** Kept free, so that ledger and index can go on. */
  readonly reserveBytes: number
}

export function judgeDisk({ path, freeBytes, allocatedBytes, usedBytes, reserveBytes }: DiskFacts): Finding {
  const missing = allocatedBytes - usedBytes + reserveBytes - freeBytes
  if (freeBytes < reserveBytes) {
    return problem(
      'disk',
      `${path} has ${formatSize(freeBytes)} free, less than the ${formatSize(reserveBytes)} that are kept for ledger and index.`,
      'Make room on this disk; until then no new piece is taken.'
    )
  }
  if (missing > 0) {
    return warning(
      'disk',
      `${path} has ${formatSize(freeBytes)} free, and ${formatSize(allocatedBytes - usedBytes)} of the ${formatSize(allocatedBytes)} that you give are not filled yet.`,
      `Make ${formatSize(missing)} of room, or lower allocateBytes in the config: a deal that the disk cannot hold is refused.`
    )
  }
  return ok(
    'disk',
    `${path} has ${formatSize(freeBytes)} free; ${formatSize(usedBytes)} of ${formatSize(allocatedBytes)} are in use.`
  )
}

/** What the audit of the disk has found: rot and lost files cost pay from the next round on. */
export function judgePieces(audit: AuditView | undefined): Finding {
  if (audit === undefined)
    return skipped('pieces', 'No daemon runs here that audits its pieces: `holdfast store check` reads them all.')
  const { damaged, totalBytes, passes } = audit
  if (totalBytes === 0 && damaged.length === 0) return ok('pieces', 'No deal holds a piece here yet: nothing can rot.')
  if (damaged.length === 0)
    return ok(
      'pieces',
      passes === 0
        ? `The first reading of all ${formatSize(totalBytes)} of pieces is under way; nothing is damaged so far.`
        : `All ${formatSize(totalBytes)} of pieces were read ${passes === 1 ? 'once' : `${passes} times`}; nothing is damaged.`
    )
  return problem(
    'pieces',
    `${damaged.length} ${damaged.length === 1 ? 'piece is' : 'pieces are'} not whole. ${describeDamage(audit).slice(0, 3).join('; ')}.`,
    'Look at the disk: it may be failing. Public pieces are fetched from other providers by themselves; a private one is whole again when its client runs `holdfast repair`.'
  )
}

export interface ClockSample {
  /** Whose clock it is compared with, for people. */
  readonly member: string
  readonly theirTimeMs: number
  /** Our clock before the question and after the answer. */
  readonly askedMs: number
  readonly answeredMs: number
}

/** Compares with the middle of the members that answered: one of them may be wrong itself. */
export function judgeClock(samples: readonly ClockSample[]): Finding {
  if (samples.length === 0) return skipped('clock', 'Nobody answered, so there is no clock to compare with.')
  const offsets = samples
    .map(({ theirTimeMs, askedMs, answeredMs }) => (askedMs + answeredMs) / 2 - theirTimeMs)
    .sort((a, b) => a - b)
  const offset = offsets[Math.floor(offsets.length / 2)]!
  const seconds = Math.round(Math.abs(offset) / 1000)
  const direction = offset > 0 ? 'ahead of' : 'behind'
  const said = `This clock is ${seconds} s ${direction} that of ${samples.length === 1 ? samples[0]!.member : `${samples.length} members`}.`
  const advice =
    'Set the clock, best with NTP (`timedatectl set-ntp true`): rounds are kept by it, and proofs that come late are not paid.'
  if (Math.abs(offset) > CLOCK_OFF_MS_MAX) return problem('clock', said, advice)
  if (Math.abs(offset) > CLOCK_OFF_MS_WARNING) return warning('clock', said, advice)
  return ok(
    'clock',
    `This clock agrees with ${samples.length === 1 ? samples[0]!.member : `${samples.length} members`}.`
  )
}

export interface LedgerFacts {
  readonly parameters: NetworkParameters
  /** The newest round on the ledger, as the host tells it now. */
  readonly round: number
  readonly nowMs: number
}

/** The host opens a round within its lateness; two rounds behind, it does not run as it should. */
export function judgeLedger({ parameters, round, nowMs }: LedgerFacts): Finding {
  const expected = roundAtMs(parameters, nowMs)
  if (round + 1 >= expected)
    return ok('ledger', `The ledger of network "${parameters.name}" answers; round ${round} is its newest.`)
  return problem(
    'ledger',
    `The ledger's newest round is ${round}; by this clock it should be ${expected}.`,
    'See that the clock is right. If it is, the ledger host does not keep its rounds: nobody is paid or faulted until it does; tell its operator.'
  )
}

export interface Reach {
  readonly addresses: readonly string[]
  readonly seenFrom: string
  readonly reached: string | undefined
  readonly reason: string
}

/** A donor without an open port stores and proves all the same: it only dials out. */
export function judgeReachability({ addresses, seenFrom, reached, reason }: Reach): Finding {
  if (addresses.length === 0) {
    return warning(
      'reachability',
      'This peer listens nowhere, so it only dials out.',
      'It can prove what it stores, but clients choose providers that they can reach: set `listen` in the config.'
    )
  }
  if (reached !== undefined) return ok('reachability', `Others reach this peer at ${reached}.`)
  return warning(
    'reachability',
    `Others see this peer at ${seenFrom} and do not reach it there (${reason}).`,
    'Forward the port of `listen` in your router to this machine. Proofs go out without it; reads from other places do not come in.'
  )
}
