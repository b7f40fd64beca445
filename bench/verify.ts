/**
 * Speed of proving and verifying: what a provider and a verifier, each a process, do for each other over loopback, and what
 * a daemon costs that does nothing.
 *
 * `leaf-challenges-batched` is a whole round: it opens, the provider reads its disk, proves and pushes, the verifier checks,
 * keeps the transcripts and attests. Its peer asks for one leaf at a time on a stream of its own, and signs nothing.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compareRuns, type Runner } from './data/compare-runs.ts'
import { type MeasuredProcess, startProcess } from './data/measured-process.ts'
import { type BenchOptions, MIB, type Row, type Suite } from './harness.ts'
import type { BenchPiece, ProvingTurn } from './verify/proving-network.ts'
import type { Attested } from './verify/verifier-tasks.ts'

export const verifySuite: Suite = {
  name: 'verify',
  async *rows(options) {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
    const wants = (...rows: string[]) => options.rows.length === 0 || options.rows.some(row => rows.includes(row))
    try {
      if (wants('leaf-challenges-batched')) yield* leafChallenges(folder, options)
    } finally {
      await rm(folder, { recursive: true })
    }
  }
}

/** What finds a loss of 1 % within a day with 99 % in rounds of an hour. */
const LEAVES_PER_ROUND = 20

interface Pair extends AsyncDisposable {
  readonly provider: MeasuredProcess
  readonly verifier: MeasuredProcess
  readonly pieces: readonly BenchPiece[]
  readonly folder: string
  /** Plays a round: from its opening to the attestation of all its deals. */
  play(turn: Pick<ProvingTurn, 'round' | 'deals' | 'piecesPerDeal'>): Promise<PlayedRound>
}

interface PlayedRound {
  readonly leaves: number
  readonly seconds: number
  readonly providerCpuSeconds: number
  readonly verifierCpuSeconds: number
  readonly rssMiB: number
}

export async function startPair(parent: string, name: string, sizes: readonly number[]): Promise<Pair> {
  await using starting = new AsyncDisposableStack()
  const folder = join(parent, name)
  await mkdir(folder)
  const provider = starting.use(await startProcess('verify-provider'))
  const verifier = starting.use(await startProcess('verify-verifier'))
  const pieces = await provider.call<BenchPiece[]>('prepare', { folder, sizes })
  const verifierAddresses = await verifier.call<string[]>('addresses')
  const genesisMs = Date.now()
  const life = starting.move()
  return {
    provider,
    verifier,
    pieces,
    folder,
    async play(part) {
      const turn: ProvingTurn = { genesisMs, pieces, leavesPerRound: LEAVES_PER_ROUND, verifierAddresses, ...part }
      await verifier.call('begin', { turn, folder })
      await provider.call('begin', turn)
      const [providerBefore, verifierBefore] = await Promise.all([provider.usage(), verifier.usage()])
      const before = performance.now()
      await provider.call('open')
      const { passes, deals, leaves } = await verifier.call<Attested>('attested')
      const seconds = (performance.now() - before) / 1000
      const [providerAfter, verifierAfter] = await Promise.all([provider.usage(), verifier.usage()])
      if (passes !== part.deals || deals !== part.deals)
        throw new Error(`expected ${part.deals} passes, got ${passes} of ${deals}`)
      return {
        leaves,
        seconds,
        providerCpuSeconds: providerAfter.cpuSeconds - providerBefore.cpuSeconds,
        verifierCpuSeconds: verifierAfter.cpuSeconds - verifierBefore.cpuSeconds,
        rssMiB: Math.max(providerAfter.rssMiB, verifierAfter.rssMiB)
      }
    },
    [Symbol.asyncDispose]: () => life.disposeAsync()
  }
}

async function* leafChallenges(folder: string, { quick }: BenchOptions): AsyncIterable<Row> {
  const count = quick ? 64 : 512
  await using pair = await startPair(folder, 'leaves', Array(count).fill(quick ? MIB : 2 * MIB))
  let round = 2
  const played: PlayedRound[] = []
  const ours: Runner = {
    name: 'holdfast',
    work: 1,
    async run() {
      const one = await pair.play({ round, deals: count, piecesPerDeal: 1 })
      round += 1
      played.push(one)
      const { leaves, seconds, providerCpuSeconds, verifierCpuSeconds, rssMiB } = one
      return { seconds: seconds / leaves, cpuSeconds: providerCpuSeconds + verifierCpuSeconds, rssMiB }
    }
  }
  const asks = quick ? 200 : 4_000
  const oneByOne = (name: string, inFlight: number): Runner => ({
    name,
    work: asks,
    async run() {
      const addresses = await pair.provider.call<string[]>('addresses')
      const seconds = await pair.verifier.call<number>('askOneByOne', {
        pieces: pair.pieces,
        addresses,
        count: asks,
        inFlight
      })
      const { rssMiB } = await pair.verifier.usage()
      return { seconds, cpuSeconds: 0, rssMiB }
    }
  })
  await ours.run()
  yield* await compareRuns({
    row: 'leaf-challenges-batched',
    unit: '/s',
    figure: 'rate',
    ours,
    peers: [oneByOne('one-stream-per-challenge', 1), oneByOne('32-streams-at-once', 32)],
    turns: quick ? 1 : 5
  })
  for (const one of played) process.stderr.write(`${JSON.stringify(one)}\n`)
}
