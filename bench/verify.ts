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
import { restartWithPieces, startIdleDevnet, watchIdle } from './verify/idle-daemon.ts'
import type { BenchPiece, ProvingTurn } from './verify/proving-network.ts'
import type { Attested } from './verify/verifier-tasks.ts'

export const verifySuite: Suite = {
  name: 'verify',
  async *rows(options) {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
    const wants = (...rows: string[]) => options.rows.length === 0 || options.rows.some(row => rows.includes(row))
    try {
      if (wants('leaf-challenges-batched')) yield* leafChallenges(folder, options)
      if (wants('deals-per-verifier', 'deal-round-cpu')) yield* dealsPerVerifier(folder, options)
      if (wants(...IDLE_ROWS, READY_ROW)) yield* idleDaemon(folder, options, wants)
    } finally {
      await rm(folder, { recursive: true })
    }
  }
}

const IDLE_ROWS = ['idle-daemon', 'idle-daemon-cpu']
const READY_ROW = 'ready-with-100000-pieces'

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

async function startPair(parent: string, name: string, sizes: readonly number[]): Promise<Pair> {
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
  const ours: Runner = {
    name: 'holdfast',
    work: 1,
    async run() {
      const played = await pair.play({ round, deals: count, piecesPerDeal: 1 })
      round += 1
      const { leaves, seconds, providerCpuSeconds, verifierCpuSeconds, rssMiB } = played
      return { seconds: seconds / leaves, cpuSeconds: providerCpuSeconds + verifierCpuSeconds, rssMiB }
    }
  }
  const asks = quick ? 200 : 4_000
  const oneByOne = (name: string, inFlight: number): Runner => ({
    name,
    work: asks,
    async run() {
      const addresses = await pair.provider.call<string[]>('addresses')
      const { pieces } = pair
      const seconds = await pair.verifier.call<number>('askOneByOne', { pieces, addresses, count: asks, inFlight })
      return { seconds, cpuSeconds: 0, rssMiB: (await pair.verifier.usage()).rssMiB }
    }
  })
  await ours.run()
  yield* await compareRuns({
    row: 'leaf-challenges-batched',
    unit: '/s',
    figure: 'rate',
    ours,
    // The first is what the issue names: one after the other. The second hides the ways there and back behind each other.
    peers: [oneByOne('one-stream-per-challenge', 1), oneByOne('16-streams-at-once', 16)],
    turns: quick ? 1 : 5
  })
}

/** Deals of 1 TiB: so many pieces of the largest size. */
const PIECES_PER_TIB = 1024
const TIB_PIECE_SIZE_BYTES = 1_065_353_216
/** Verifiers check while providers push; from half of a round on they attest. */
const PUSH_SECONDS = 1_800

/**
 * What a verifier spends on a deal of 1 TiB in a round, and how many it can look after on one core.
 *
 * The pieces of a deal are one piece under 1024 numbers, because nobody has the disk; each of the 20 leaves has a path and
 * a proof of its own all the same, from its leaf to the root of a piece of 1 GiB.
 */
async function* dealsPerVerifier(folder: string, { quick }: BenchOptions): AsyncIterable<Row> {
  const deals = quick ? 40 : 400
  await using pair = await startPair(folder, 'tib', [quick ? 64 * MIB : TIB_PIECE_SIZE_BYTES])
  const played: PlayedRound[] = []
  for (let round = 2; round < (quick ? 4 : 7); round += 1)
    played.push(await pair.play({ round, deals, piecesPerDeal: PIECES_PER_TIB }))
  const cpuSeconds = median(played.slice(1).map(one => one.verifierCpuSeconds))
  const { rssMiB } = played.at(-1)!
  const millisecondsPerDeal = (1000 * cpuSeconds) / deals
  const covered = Math.floor(PUSH_SECONDS / (cpuSeconds / deals))
  const nothing = { peer: '-', peerValue: 0, ratio: 0 }
  yield { row: 'deal-round-cpu', value: millisecondsPerDeal, unit: 'ms', ...nothing, cpuSeconds, rssMiB }
  yield {
    ...{ row: 'deals-per-verifier', value: covered, unit: 'deals', ...nothing, cpuSeconds, rssMiB },
    note: `${deals} deals of 1 TiB, ${LEAVES_PER_ROUND} leaves each, cost the verifier ${cpuSeconds.toFixed(2)} s of CPU: ${millisecondsPerDeal.toFixed(2)} ms a deal. The half of an hour in which proofs are pushed has ${PUSH_SECONDS} s: one core checks ${PUSH_SECONDS} s / ${millisecondsPerDeal.toFixed(2)} ms = ${covered} deals, which is ${covered} TiB.`
  }
}

async function* idleDaemon(
  folder: string,
  { quick }: BenchOptions,
  wants: (...rows: string[]) => boolean
): AsyncIterable<Row> {
  await using devnet = await startIdleDevnet(folder)
  const nothing = { peer: '-', peerValue: 0, ratio: 0 }
  if (wants(...IDLE_ROWS)) {
    const { rssMiB, cpuPermille, cpuSeconds } = await watchIdle(devnet, quick ? 5 : 60)
    const usage = { ...nothing, cpuSeconds, rssMiB }
    yield { row: 'idle-daemon', value: rssMiB, unit: 'MiB', ...usage }
    yield { row: 'idle-daemon-cpu', value: cpuPermille / 10, unit: '% of a core', ...usage }
  }
  if (wants(READY_ROW)) {
    const count = quick ? 1_000 : 100_000
    const { seconds, rssMiB } = await restartWithPieces(devnet, count)
    const note = quick ? `with ${count} pieces only: --quick` : undefined
    const row = { row: READY_ROW, value: seconds, unit: 's', ...nothing, cpuSeconds: 0, rssMiB }
    yield { ...row, ...(note !== undefined && { note }) }
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
