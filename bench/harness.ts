/**
 * How everything here is measured: our way and the peers' ways in one process, warmed, in turns, medians.
 *
 * Absolute figures move by a third from hour to hour on a shared machine; ratios taken in turns within one run hold.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** One way of doing a row's work. */
export interface Contender {
  name: string
  /** What one run does, in the row's measure: megabytes, proofs. */
  work: number
  run(): unknown
}

/** What a row compares. */
export interface Comparison {
  row: string
  unit: string
  /** `rate`: work a second, more is better. `time`: milliseconds for each piece of work, less is better. */
  figure: 'rate' | 'time'
  ours: Contender
  peers: readonly Contender[]
}

/** One line of the result: our figure beside one peer's. */
export interface Row {
  row: string
  value: number
  unit: string
  peer: string
  peerValue: number
  /** Above 1 is better than the peer, whatever the unit. */
  ratio: number
  /** CPU time of one of our runs, all threads, median. */
  cpuSeconds: number
  /** Resident memory of the process after our turns: an upper bound, since peers share the process. */
  rssMiB: number
  /** How a figure that was not measured follows from those that were. */
  note?: string
}

/** A named set of rows, for one part of the project. */
export interface Suite {
  name: string
  /** Measures the rows one after another. */
  rows(options: BenchOptions): AsyncIterable<Row>
}

export const KIB = 1024
export const MIB = 1024 * KIB
/** Throughput is given in MB/s, as disks and networks are. */
export const MB = 1_000_000

setFlagsFromString('--expose-gc')
/** Buffers that earlier rows left behind make the collector run again and again for whoever allocates most. */
const collectGarbage = runInNewContext('gc') as () => void

interface Turn {
  seconds: number
  cpuSeconds: number
  rssMiB: number
}

/** A turn runs its contender again and again for at least so long: a run of 2 ms is over before the JIT has seen it. */
const TURN_MS_MIN = 200

/** @returns figures of one run, the mean of the turn */
async function takeTurn(contender: Contender): Promise<Turn> {
  const cpuBefore = process.cpuUsage()
  const before = performance.now()
  let runs = 0
  while (performance.now() - before < TURN_MS_MIN) {
    await contender.run()
    runs += 1
  }
  const seconds = (performance.now() - before) / 1000 / runs
  const { user, system } = process.cpuUsage(cpuBefore)
  return { seconds, cpuSeconds: (user + system) / 1e6 / runs, rssMiB: process.memoryUsage.rss() / MIB }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** A pair takes at least so many turns, for at least so long, so that what else the machine does falls on both. */
const TURNS_MIN = 3
const PAIR_MS_MIN = 3000

export interface BenchOptions {
  /** Only these; all when empty. Suites whose rows are slow leave out what the others need not. */
  rows: readonly string[]
  /** One turn each: to see that all works, not how fast. */
  quick: boolean
}

/**
 * Runs our way and each peer's in turns, a peer at a time: what a slow peer does in between would part the two.
 *
 * @returns one row for each peer
 */
export async function compare(comparison: Comparison, options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = []
  for (const peer of comparison.peers) rows.push(await comparePair(comparison, peer, options))
  return rows
}

async function comparePair(
  { row, unit, figure, ours }: Comparison,
  peer: Contender,
  { quick }: BenchOptions
): Promise<Row> {
  collectGarbage()
  const ourTurns: Turn[] = []
  const peerTurns: Turn[] = []
  await takeTurn(ours)
  await takeTurn(peer)
  const before = performance.now()
  const isOver = () =>
    quick ? ourTurns.length > 0 : ourTurns.length >= TURNS_MIN && performance.now() - before >= PAIR_MS_MIN
  while (!isOver()) {
    ourTurns.push(await takeTurn(ours))
    peerTurns.push(await takeTurn(peer))
  }
  const figureOf = ({ work }: Contender, taken: readonly Turn[]) => {
    const seconds = median(taken.map(turn => turn.seconds))
    return figure === 'rate' ? work / seconds : (seconds * 1000) / work
  }
  const value = figureOf(ours, ourTurns)
  const peerValue = figureOf(peer, peerTurns)
  return {
    row,
    value,
    unit,
    peer: peer.name,
    peerValue,
    ratio: figure === 'rate' ? value / peerValue : peerValue / value,
    cpuSeconds: median(ourTurns.map(turn => turn.cpuSeconds)),
    rssMiB: Math.max(...ourTurns.map(turn => turn.rssMiB))
  }
}

/** Bytes that look like chance and are the same each time: xorshift, seeded by a constant. */
export function seededBytes(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size)
  const words = new Uint32Array(bytes.buffer, 0, Math.floor(size / 4))
  let state = seed
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return bytes
}
