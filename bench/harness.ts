/**
 * How everything here is measured: our way and the peers' ways in one process, warmed, in turns, medians.
 *
 * Absolute figures move by a third from hour to hour on a shared machine; ratios taken in turns within one run hold.
 */

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
  /** Timed turns of each contender, after one that is not timed. */
  turns: number
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
}

/** A named set of rows, for one part of the project. */
export interface Suite {
  name: string
  /** Measures the rows one after another. */
  rows(options: { quick: boolean }): AsyncIterable<Row>
}

export const KIB = 1024
export const MIB = 1024 * KIB
/** Throughput is given in MB/s, as disks and networks are. */
export const MB = 1_000_000

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

/** Runs our way and all peers in turns. @returns one row for each peer */
export async function compare(comparison: Comparison): Promise<Row[]> {
  const contenders = [comparison.ours, ...comparison.peers]
  const turnsOf = new Map<Contender, Turn[]>(contenders.map(contender => [contender, []]))
  for (let turn = -1; turn < comparison.turns; turn++) {
    for (const contender of contenders) {
      const taken = await takeTurn(contender)
      if (turn >= 0) turnsOf.get(contender)!.push(taken)
    }
  }
  const rate = comparison.figure === 'rate'
  const figureOf = (contender: Contender) => {
    const seconds = median(turnsOf.get(contender)!.map(turn => turn.seconds))
    return rate ? contender.work / seconds : (seconds * 1000) / contender.work
  }
  const ours = turnsOf.get(comparison.ours)!
  const value = figureOf(comparison.ours)
  return comparison.peers.map(peer => {
    const peerValue = figureOf(peer)
    return {
      row: comparison.row,
      value,
      unit: comparison.unit,
      peer: peer.name,
      peerValue,
      ratio: rate ? value / peerValue : peerValue / value,
      cpuSeconds: median(ours.map(turn => turn.cpuSeconds)),
      rssMiB: Math.max(...ours.map(turn => turn.rssMiB))
    }
  })
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
