/** Contenders that run in processes of their own, in turns, medians; see harness.ts for those that share a process. */
import type { Row } from '../harness.ts'
import type { Usage } from './measured-process.ts'

export interface Run extends Usage {
  readonly seconds: number
}

export interface Runner {
  readonly name: string
  /** What one run does, in the row's measure; peers that are ten times slower do less. */
  readonly work: number
  run(): Promise<Run>
}

export interface RunComparison {
  readonly row: string
  readonly unit: string
  /** `rate`: work a second, more is better. `time`: milliseconds for each piece of work, less is better. */
  readonly figure: 'rate' | 'time'
  readonly ours: Runner
  readonly peers: readonly Runner[]
  readonly turns: number
}

/** @returns one row for each peer; CPU and memory are ours */
export async function compareRuns({ row, unit, figure, ours, peers, turns }: RunComparison): Promise<Row[]> {
  const taken = new Map<Runner, Run[]>([ours, ...peers].map(runner => [runner, []]))
  const runners = [...taken]
  for (let turn = 0; turn < turns; turn++) {
    // Whoever comes after a large file was removed finds memory that the machine holds already, so nobody always does.
    const order = [...runners.slice(turn % runners.length), ...runners.slice(0, turn % runners.length)]
    for (const [runner, runs] of order) runs.push(await runner.run())
  }
  const figureOf = (runner: Runner) => {
    const seconds = median(taken.get(runner)!.map(run => run.seconds))
    return figure === 'rate' ? runner.work / seconds : (seconds * 1000) / runner.work
  }
  const value = figureOf(ours)
  return peers.map(peer => {
    const peerValue = figureOf(peer)
    return {
      row,
      value,
      unit,
      peer: peer.name,
      peerValue,
      ratio: figure === 'rate' ? value / peerValue : peerValue / value,
      cpuSeconds: median(taken.get(ours)!.map(run => run.cpuSeconds)),
      rssMiB: Math.max(...taken.get(ours)!.map(run => run.rssMiB))
    }
  })
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
