/**
 * Speed of the ledger: what a host takes, what it costs to start one, and what a round's end does to those who wait.
 *
 * Hosts are real ones on a real disk; only the streams before them are left out: commands come as the bytes that a stream
 * would bring. Every contender has a process of its own. Where a row has no program to be compared with, its peer is what
 * the project has promised (`wanted`).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findAnvil } from './data/bench-peers.ts'
import { compareRuns, type Run, type Runner } from './data/compare-runs.ts'
import { type MeasuredProcess, startProcess } from './data/measured-process.ts'
import type { BenchOptions, Row, Suite } from './harness.ts'
import type { NetworkOptions } from './ledger/bench-network.ts'
import type { Driven } from './ledger/drive-commands.ts'
import { logAppend } from './ledger/log-append.ts'
import type { Preparation, RoundClosing } from './ledger/round-close-tasks.ts'

export const ledgerSuite: Suite = {
  name: 'ledger',
  async *rows(options) {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
    const wants = (...rows: string[]) => options.rows.length === 0 || options.rows.some(row => rows.includes(row))
    try {
      if (wants('durable-commands', 'durable-commands-p99')) yield* durableCommands(folder, options)
      if (wants('attestations-in-batches')) yield await attestations(options)
      if (wants('log-append')) yield* await logAppend(folder, options)
      if (wants('replay', 'start-from-snapshot')) yield* replay(folder, options)
      if (wants(...ROUND_CLOSE_ROWS)) yield* roundClose(folder, options)
    } finally {
      await rm(folder, { recursive: true })
    }
  }
}

/** Commands under way at any time: with a few thousand a second, each waits some 20 ms for its turn and its sync. */
const IN_FLIGHT = 88
const LATENCY_MS_WANTED = 50

function networkOf(options: Partial<NetworkOptions> = {}): NetworkOptions {
  return { genesisMs: Date.now(), roundMs: 5_000, accounts: 256, ...options }
}

async function* durableCommands(folder: string, { quick }: BenchOptions): AsyncIterable<Row> {
  const warmUp = quick ? 100 : 4_000
  const count = warmUp + (quick ? 500 : 36_000)
  const turns = quick ? 1 : 3
  const network = networkOf()
  await using life = new AsyncDisposableStack()
  const start = async (task: string, transfers = count) => {
    const child = life.use(await startProcess(task))
    await child.call('prepare', { network, folder, count: transfers, inFlight: IN_FLIGHT })
    return child
  }
  const host = await start('ledger-host')
  const limit = await start('signature-limit')
  const driven: Driven[] = []
  const ours: Runner = {
    name: 'holdfast',
    work: count - warmUp,
    run: () =>
      measured(host, async () => {
        const result = await host.call<Driven>('run', { inFlight: IN_FLIGHT, warmUp })
        driven.push(result)
        return result
      })
  }
  const figures = { row: 'durable-commands', unit: '/s', figure: 'rate', ours } as const
  const limitRunner: Runner = {
    name: 'signature-limit',
    work: count,
    run: () => measured(limit, () => limit.call('run'))
  }
  const rows = await compareRuns({ ...figures, peers: [limitRunner], turns })
  yield* rows
  const { cpuSeconds, rssMiB } = rows[0]!
  const milliseconds = { unit: 'ms', cpuSeconds, rssMiB }
  for (const quantile of ['p50', 'p99'] as const) {
    const value = median(driven.map(one => one[quantile]))
    yield wanted({ row: `durable-commands-${quantile}`, value, ...milliseconds }, LATENCY_MS_WANTED)
  }
  if (findAnvil() === undefined) {
    process.stderr.write(
      'ledger: no anvil in tools/bench (Linux on x64 has it, by `npm run bench`): its row is left out\n'
    )
    return
  }
  // Fewer than ours: anvil gets slower with every block.
  const mined = quick ? 300 : 2_000
  const chain = await start('anvil', 100 + mined)
  const anvil: Runner = {
    name: 'anvil',
    work: mined,
    run: () => measured(chain, () => chain.call('run', { inFlight: IN_FLIGHT, warmUp: 100 }))
  }
  yield* await compareRuns({ ...figures, peers: [anvil], turns: 1 })
}

async function measured(child: MeasuredProcess, run: () => Promise<{ readonly seconds: number }>): Promise<Run> {
  const before = await child.usage()
  const { seconds } = await run()
  const after = await child.usage()
  return { seconds, cpuSeconds: after.cpuSeconds - before.cpuSeconds, rssMiB: after.rssMiB }
}

/** A row whose peer is a promise: of a rate when more is better, else of a time or a size. */
function wanted(row: Pick<Row, 'row' | 'value' | 'unit' | 'cpuSeconds' | 'rssMiB'>, figure: number): Row {
  const ratio = row.unit.endsWith('/s') ? row.value / figure : figure / row.value
  return { ...row, peer: 'wanted', peerValue: figure, ratio }
}

async function attestations({ quick }: BenchOptions): Promise<Row> {
  await using child = await startProcess('attestations')
  const network = networkOf({ verifiers: quick ? 6 : 60, roundMs: 60_000 })
  await child.call('prepare', { network, deals: quick ? 4_000 : 100_000 })
  const run = () => child.call<{ verdicts: number; seconds: number; cpuSeconds: number }>('run')
  await run()
  const runs = []
  for (let turn = 0; turn < (quick ? 1 : 5); turn += 1) runs.push(await run())
  const { rssMiB } = await child.usage()
  const value = median(runs.map(({ verdicts, seconds }) => verdicts / seconds))
  const cpuSeconds = median(runs.map(one => one.cpuSeconds))
  return wanted({ row: 'attestations-in-batches', value, unit: 'verdicts/s', cpuSeconds, rssMiB }, 100_000)
}

async function* replay(folder: string, { quick }: BenchOptions): AsyncIterable<Row> {
  await using child = await startProcess('replay')
  await using limit = await startProcess('signature-limit')
  const network = networkOf({ verifiers: 6 })
  const entries = quick ? 5_000 : 1_000_000
  const place = { network, folder: join(folder, 'replay') }
  await child.call('prepare', { ...place, deals: quick ? 20 : 200, entries })
  const start = () => child.call<{ seconds: number; snapshotSequence: number; length: number }>('start')
  const before = await child.usage()
  const replayed = await start()
  const after = await child.usage()
  const count = quick ? 1_000 : 40_000
  await limit.call('prepare', { network, count })
  const { seconds } = await limit.call<{ seconds: number }>('run')
  const value = replayed.length / replayed.seconds
  const { rssMiB } = after
  yield {
    ...{ row: 'replay', value, unit: 'entries/s', cpuSeconds: after.cpuSeconds - before.cpuSeconds, rssMiB },
    ...{ peer: 'signature-limit', peerValue: count / seconds, ratio: (value * seconds) / count }
  }
  const started = await start()
  if (started.snapshotSequence === 0) throw new Error('expected a snapshot to start from')
  const cpuSeconds = (await child.usage()).cpuSeconds - after.cpuSeconds
  yield {
    ...{ row: 'start-from-snapshot', value: started.seconds * 1000, unit: 'ms', cpuSeconds, rssMiB },
    ...{ peer: 'replay', peerValue: replayed.seconds * 1000, ratio: replayed.seconds / started.seconds }
  }
}

const ROUND_CLOSE_ROWS = ['round-close', 'round-close-apply', 'round-close-p99', 'round-close-rss']

async function* roundClose(folder: string, { quick }: BenchOptions): AsyncIterable<Row> {
  const preparation: Preparation = {
    network: networkOf({ verifiers: quick ? 6 : 60, roundMs: 3_600_000 }),
    folder: join(folder, 'round-close'),
    deals: quick ? 4_000 : 100_000,
    transfersPerSecond: quick ? 200 : 500,
    transfers: quick ? 4_000 : 40_000,
    calmMs: quick ? 500 : 5_000
  }
  const inProcess = async <Result>(method: string) => {
    await using child = await startProcess('round-close')
    const result = await child.call<Result>(method, preparation)
    return { result, rssMiB: (await child.usage()).rssMiB }
  }
  await inProcess('write')
  const { result: closing, rssMiB } = await inProcess<RoundClosing>('run')
  const { result: longestApplyMs } = await inProcess<number>('longestApply')
  const { seconds, cpuSeconds, p99BeforeMs, p99DuringMs } = closing
  const usage = { cpuSeconds, rssMiB }
  yield wanted({ row: 'round-close', value: seconds, unit: 's', ...usage }, 60)
  yield wanted({ row: 'round-close-apply', value: longestApplyMs, unit: 'ms', ...usage }, LATENCY_MS_WANTED)
  yield wanted({ row: 'round-close-p99', value: p99DuringMs, unit: 'ms', ...usage }, LATENCY_MS_WANTED)
  yield {
    ...{ row: 'round-close-p99', value: p99DuringMs, unit: 'ms', ...usage },
    ...{ peer: 'before it', peerValue: p99BeforeMs, ratio: p99BeforeMs / p99DuringMs }
  }
  yield wanted({ row: 'round-close-rss', value: rssMiB, unit: 'MiB', ...usage }, 1024)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
