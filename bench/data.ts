/**
 * Speed of the data path beside programs that do the same, or less: import, transfer, put, get, ranges, memory.
 *
 * Every contender has a process of its own (data/measured-process.ts), so that CPU and memory are its own. Providers
 * are those of a devnet: whole peers, as `holdfast start` runs them.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Devnet, startDevnet } from '@holdfast/peer/devnet'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { createIdentity } from '../packages/peer/dist/transport/certificate.js'
import { hasBenchPeers } from './data/bench-peers.ts'
import { compareRuns, type Run, type Runner } from './data/compare-runs.ts'
import type { PutStages } from './data/holdfast-tasks.ts'
import { type MeasuredProcess, measureCommand, startProcess, type Usage, usageOf } from './data/measured-process.ts'
import { type BenchOptions, MB, MIB, type Row, type Suite, seededBytes } from './harness.ts'

export const dataSuite: Suite = {
  name: 'data',
  async *rows(options) {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
    try {
      const bench = await openBench(folder, options)
      yield* importing(bench)
      if (NETWORK_ROWS.some(bench.wants)) yield* overNetwork(bench)
    } finally {
      await rm(folder, { recursive: true })
    }
  }
}

const NETWORK_ROWS = ['transfer', 'put-3', 'get', 'range-first-byte', 'rss']

async function* overNetwork(bench: Bench): AsyncIterable<Row> {
  await using network = await openNetwork(bench)
  if (bench.wants('transfer') || bench.wants('put-3')) {
    const transfers = await transferring(bench, network)
    yield* transfers
    if (bench.wants('put-3')) yield* putting(bench, network, transfers[0]!)
  }
  if (bench.wants('get') || bench.wants('range-first-byte')) yield* reading(bench, network)
  if (bench.wants('rss')) yield* memory(bench, network)
}

interface Bench {
  /** Whether a row is asked for, by its name or, of those with several, by how they begin. */
  readonly wants: (row: string) => boolean
  /** The same for one of several, by its whole name. */
  readonly wantsPart: (row: string) => boolean
  readonly folder: string
  readonly quick: boolean
  readonly turns: number
  /** The files: of import and put; of what is slower; of warming up. */
  readonly large: BenchFile
  readonly middle: BenchFile
  readonly small: BenchFile
}

interface BenchFile {
  readonly path: string
  readonly sizeBytes: number
}

async function openBench(folder: string, { quick, rows }: BenchOptions): Promise<Bench> {
  const wants = (row: string) => rows.length === 0 || rows.some(one => one.startsWith(row))
  const wantsPart = (row: string) => rows.length === 0 || rows.some(one => row.startsWith(one))
  const large = await writeBenchFile(folder, 'large', quick ? 8 * MIB : 1024 * MIB)
  const middle = await writeBenchFile(folder, 'middle', quick ? 4 * MIB : 256 * MIB)
  const small = await writeBenchFile(folder, 'small', quick ? MIB : 64 * MIB)
  return { wants, wantsPart, folder, quick, turns: quick ? 1 : 3, large, middle, small }
}

/** Bytes that look like chance, each MiB another. */
async function writeBenchFile(folder: string, name: string, sizeBytes: number): Promise<BenchFile> {
  const path = join(folder, name)
  await using file = await open(path, 'w')
  const chunk = seededBytes(MIB, sizeBytes)
  for (let offset = 0; offset < sizeBytes; offset += MIB) {
    new DataView(chunk.buffer).setUint32(0, offset / MIB)
    await file.write(chunk, 0, MIB, offset)
  }
  return { path, sizeBytes }
}

/** Runs `measure` between two looks at the processes that take part. */
async function measured(processes: ReadonlyArray<() => Promise<Usage>>, measure: () => Promise<number>): Promise<Run> {
  const look = () => Promise.all(processes.map(usage => usage()))
  const before = await look()
  const seconds = await measure()
  const after = await look()
  return {
    seconds,
    cpuSeconds: after.reduce((sum, { cpuSeconds }, i) => sum + cpuSeconds - before[i]!.cpuSeconds, 0),
    rssMiB: Math.max(...after.map(({ rssMiB }) => rssMiB))
  }
}

/** `measured`, of those that write: nobody pays for what was written before, by him or by others. */
async function measuredOnIdleDisk(
  processes: ReadonlyArray<() => Promise<Usage>>,
  measure: () => Promise<number>
): Promise<Run> {
  await promisify(execFile)('sync').catch(() => undefined) // not every system has it
  return measured(processes, measure)
}

/**
 * What there is to win on two cores: of 2.7 CPU-seconds for a GiB, 1.45 are the commitment (with the CPU's own SHA-256
 * instructions), 0.6 the digests of the blocks, 0.2 reading. Whoever writes through the page cache pays 0.4 to 2.8 more to
 * the kernel: least where the machine holds the memory for it already.
 */
async function* importing(bench: Bench): AsyncIterable<Row> {
  const importer = (task: string, name = task, file = bench.large): Runner => ({
    name,
    work: file.sizeBytes / MB,
    async run() {
      await using child = await startProcess(task)
      await child.call('run', { path: bench.small.path })
      return await measuredOnIdleDisk([child.usage], () => child.call('run', { path: file.path }))
    }
  })
  const { turns } = bench
  const figures = { unit: 'MB/s', figure: 'rate', turns } as const
  const helia = importer('import-helia', 'helia-blockstore-fs')
  const peers = [helia, ...(hasBenchPeers() ? [importer('import-ipfs-car', 'ipfs-car')] : [])]
  if (bench.wants('import')) yield* await compareRuns({ row: 'import', ...figures, ours: importer('import'), peers })
  if (bench.wants('import') && hasBenchPeers()) {
    // Half a minute for a GiB: a quarter says enough.
    const slow = [importer('import-ipfs-car-commitment', 'ipfs-car+fr32-wasm', bench.middle)]
    yield* await compareRuns({ row: 'import', ...figures, ours: importer('import'), peers: slow })
  }
  for (const row of ['import-private', 'import-private-3'])
    if (bench.wants(row))
      yield* await compareRuns({ row, ...figures, ours: importer(row), peers: [importer('import')] })
}

interface BenchNetwork extends AsyncDisposable {
  readonly devnet: Devnet
  readonly client: MeasuredProcess
  /** Of the public file that everybody reads. */
  readonly root: string
  readonly usages: ReadonlyArray<() => Promise<Usage>>
}

/** One provider and one client, and a file stored. */
async function openNetwork(bench: Bench): Promise<BenchNetwork> {
  await using starting = new AsyncDisposableStack()
  const directory = join(bench.folder, 'devnet')
  await mkdir(directory)
  const devnet = starting.use(
    await startDevnet({
      directory,
      providers: 3,
      roundMs: bench.quick ? 3000 : 10_000,
      allocate: Array(3).fill('32GiB')
    })
  )
  const client = starting.use(await startProcess('holdfast-client'))
  await client.call('open', { network: devnet.networkFile, key: devnet.clientKeyFile })
  const { root } = await client.call<{ root: string }>('put', { path: bench.large.path, replicas: 1 })
  const usages = [client.usage, ...devnet.providers.map(provider => () => usageOf(devnet.processOf(provider).pid))]
  const life = starting.move()
  return { devnet, client, root, usages, [Symbol.asyncDispose]: () => life.disposeAsync() }
}

async function transferring(bench: Bench, { client, usages }: BenchNetwork): Promise<Row[]> {
  const { middle, turns } = bench
  let run = 0
  const ours: Runner = {
    name: 'transfer',
    work: middle.sizeBytes / MB,
    async run() {
      run += 1
      const { path } = await writeBenchFile(bench.folder, `transfer-${run}`, middle.sizeBytes - run * MIB)
      return await measuredOnIdleDisk(usages, () => client.call('transfer', { path }))
    }
  }
  const peers = [
    rawStream('raw-libp2p', 'raw-ours', middle),
    rawStream('libp2p-tls', 'raw-tls', middle),
    rawStream('libp2p-noise', 'raw-noise', middle),
    bitswap(bench)
  ]
  if (hasBenchPeers()) peers.push(hypercore(bench))
  await client.call('transfer', { path: bench.small.path })
  return compareRuns({ row: 'transfer', unit: 'MB/s', figure: 'rate', turns, ours, peers })
}

function rawStream(name: string, task: string, { path, sizeBytes }: BenchFile): Runner {
  return {
    name,
    work: sizeBytes / MB,
    async run() {
      await using server = await startProcess(task)
      await using client = await startProcess(task)
      const [address] = await server.call<string[]>('addresses')
      await client.call('send', { address, path })
      return await measuredOnIdleDisk([server.usage, client.usage], () => client.call('send', { address, path }))
    }
  }
}

function bitswap({ folder, middle }: Bench): Runner {
  return {
    name: 'helia-bitswap',
    work: middle.sizeBytes / MB,
    async run() {
      await using provider = await startProcess('bitswap-provider')
      await using reader = await startProcess('bitswap-reader')
      const own = await mkdtemp(join(folder, 'bitswap-'))
      const added = await provider.call<{ root: string; addresses: string[] }>('add', {
        path: middle.path,
        folder: own
      })
      return await measuredOnIdleDisk([provider.usage, reader.usage], () =>
        reader.call('cat', { root: added.root, address: added.addresses[0] })
      )
    }
  }
}

function hypercore({ folder, middle }: Bench): Runner {
  return {
    name: 'hypercore',
    work: middle.sizeBytes / MB,
    async run() {
      await using provider = await startProcess('hypercore-provider')
      await using reader = await startProcess('hypercore-reader')
      const own = await mkdtemp(join(folder, 'hypercore-'))
      const added = await provider.call<object>('add', { path: middle.path, folder: join(own, 'from') })
      return await measuredOnIdleDisk([provider.usage, reader.usage], () =>
        reader.call('fetch', { ...added, folder: join(own, 'to') })
      )
    }
  }
}

async function* reading(bench: Bench, network: BenchNetwork): AsyncIterable<Row> {
  if (bench.wants('get')) yield* getting(bench, network)
  if (bench.wants('range-first-byte')) yield* ranges(bench, network)
}

async function* getting(bench: Bench, { client, root, usages }: BenchNetwork): AsyncIterable<Row> {
  const { large, turns, folder } = bench
  const ours: Runner = {
    name: 'get',
    work: large.sizeBytes / MB,
    run: () => measured(usages, async () => (await client.call<{ seconds: number }>('get', { root })).seconds)
  }
  await using disk = await startProcess('cat-from-disk')
  const blocks = join(folder, 'cat')
  await mkdir(blocks)
  const added = await disk.call<{ root: string }>('add', { path: large.path, folder: blocks })
  const cat: Runner = {
    name: 'unixfs.cat',
    work: large.sizeBytes / MB,
    run: () => measured([disk.usage], () => disk.call('cat', { root: added.root, folder: blocks }))
  }
  await ours.run()
  // What the connection alone can do, with nothing read, checked or walked at either end.
  const limit = rawStream('raw-libp2p', 'raw-ours', bench.middle)
  const peers = [bitswap(bench), cat, limit]
  yield* await compareRuns({ row: 'get', unit: 'MB/s', figure: 'rate', turns, ours, peers })
}

/**
 * What comes first of 64 KiB in the middle of the file.
 *
 * All of the file is in the page cache, at both. Ours comes as the web server gives it, without encryption (`plainHttp`);
 * `-encrypted` is as `get` has it unless it may do that, by HTTPS from a provider that proves who it is, and `-libp2p` from one that
 * can only be reached so, where the client proves who he is too. `-private` is a private object, as `put` makes it by default and
 * `get` reads it: by HTTPS with a permission, frames that are opened here. Everybody asks from a process of his own that was idle before, and
 * for a new connection the old one was closed long ago.
 *
 * - Warm: the same part of a leaf again, over an open connection, for both. The web server's kernel has its pages, our provider
 *   the part that it checked, our client the nodes above it and the digests of the leaf's parts, which it took when it stored the
 *   leaf. What is read is sent anew, and hashed anew.
 * - Remembered: the same where our client may use the leaf that it checked before, as `get` does. It asks nobody, so this says
 *   what reading on in a leaf costs and nothing about the network.
 * - Elsewhere: each time in another leaf that was never read, on an open connection, by the client that stored it: it has the
 *   nodes above, and what `put` left in its state, the digests of parts. Our provider reads the part and compares checksums.
 * - Reconnected: as warm, each time on a new connection, for both, to a peer that was met in the last five minutes: its address is
 *   known, the ledger is not asked, and over HTTPS its session is resumed. Web servers get a new TCP connection without TLS.
 * - Cold: a new connection each time, as in reconnected, and on it a leaf that was never read, as elsewhere.
 * - Cold-first: the same to a peer of which our client has no session, and is shown a certificate.
 * - Cold-stranger: the same as cold by a client that did not store it, and can only check the leaf whole: all of it is sent, and hashed
 *   once more.
 *
 * `https-range` is the same web server under TLS. `http-checked-leaf` sends the whole leaf, hashed at both ends, which is what checking against the CID of a file takes;
 * `https-checked-leaf` does it under TLS. Both work one step after the other. `tls-leaf` is what nobody can be faster than who has
 * to check a whole leaf and speaks TLS in Node: a MiB from memory, with no protocol at all, hashed while it comes.
 */
async function* ranges(
  { large, quick, wantsPart }: Bench,
  { client, root, usages }: Pick<BenchNetwork, 'client' | 'root' | 'usages'>
): AsyncIterable<Row> {
  await using server = await startProcess('http-server')
  const identity = await createIdentity(await generateKeyPair('secp256k1'))
  const ports = await server.call<{ port: number; securePort: number; tlsPort: number }>('serve', {
    path: large.path,
    identity
  })
  await using askers = new AsyncDisposableStack()
  const [byHttp, bySecureHttp, byCheckedHttp, byTls] = [
    askers.use(await startProcess('http-client')),
    askers.use(await startProcess('http-client')),
    askers.use(await startProcess('http-client')),
    askers.use(await startProcess('http-client'))
  ]
  const isAsked = (row: string) => wantsPart(`range-first-byte-${row}`)
  const reference = RANGE_ROWS.some(row => isPrivate(row) && isAsked(row))
    ? await client.call<string>('putPrivate', { path: large.path })
    : undefined
  const warmUps = quick ? QUICK_WARM_UPS : RANGE_WARM_UPS
  // What a provider has written past its page cache is in nobody's memory, other than the web server's file.
  for (const name of [root, reference])
    if (name !== undefined)
      await client.call('read', { name, offset: 0, length: large.sizeBytes, remembers: false, way: 'default' })
  for (const row of RANGE_ROWS) {
    if (!isAsked(row)) continue
    const name = isPrivate(row) ? reference : root
    await client.call('forget', { hasStored: !row.includes('stranger') })
    const way = wayOf(row)
    const isOnNew = row.startsWith('reconnected') || row.startsWith('cold')
    const isSameLeaf = !row.startsWith('elsewhere') && !row.startsWith('cold')
    /** Gives a runner its ranges, one after the other. */
    const openRanges = () => {
      let leaves = large.sizeBytes / MIB / 2
      return () => {
        if (!isSameLeaf) leaves = (leaves + 3) % (large.sizeBytes / MIB)
        return { offset: leaves * MIB + 1000, length: 64 * 1024 }
      }
    }
    const asking = (
      name: string,
      processes: Parameters<typeof measured>[0],
      ask: (range: Range) => Promise<number>,
      /** What is done long before it is asked again. */
      afterwards: () => Promise<unknown> = () => Promise.resolve()
    ) => {
      const next = openRanges()
      return {
        name,
        work: 1,
        async run() {
          if (isOnNew) await pause(COLD_PAUSE_MS)
          const run = await measured(processes, () => ask(next()))
          if (isOnNew) await afterwards()
          return run
        }
      }
    }
    const remembers = row === 'remembered'
    const ours = asking(
      'read',
      usages,
      range => client.call<number>('read', { name, ...range, remembers, way }),
      () => client.call('hangUp', { forgetsSessions: row.includes('first') })
    )
    const http = (name: string, asker: MeasuredProcess, path: string, isSecure = false) => {
      const to = { path, isSecure, isOnNew, port: isSecure ? ports.securePort : ports.port }
      return asking(name, [server.usage], range => asker.call<number>('firstByte', { ...to, ...range }))
    }
    const unencrypted = [http('http-checked-leaf', byCheckedHttp, '/leaf')]
    const encrypted = [
      http('https-range', bySecureHttp, '/', true),
      http('https-checked-leaf', byCheckedHttp, '/leaf', true),
      asking('tls-leaf', [server.usage], () => byTls.call<number>('leaf', { port: ports.tlsPort, identity, isOnNew }))
    ]
    const peers = [http('http-range', byHttp, '/'), ...(way === 'plain' ? unencrypted : encrypted)]
    for (let turn = 0; turn < warmUps; turn++) for (const runner of [ours, ...peers]) await runner.run()
    const figures = { unit: 'ms', figure: 'time', turns: quick ? 1 : 45 } as const
    yield* await compareRuns({ row: `range-first-byte-${row}`, ...figures, ours, peers })
  }
}

const RANGE_ROWS = [
  ...['remembered', 'warm', 'elsewhere', 'reconnected', 'cold', 'cold-stranger'],
  ...['warm-encrypted', 'cold-encrypted', 'cold-first-encrypted', 'cold-stranger-encrypted'],
  ...['warm-private', 'elsewhere-private', 'cold-private', 'cold-first-private', 'cold-stranger-private'],
  ...['warm-libp2p', 'cold-libp2p']
]

/** How blocks come to our client: as `get` has them with `plainHttp`, as by default, or as from a provider without a port. */
function wayOf(row: string): 'plain' | 'default' | 'libp2p' {
  if (row.endsWith('-encrypted') || isPrivate(row)) return 'default'
  return row.endsWith('-libp2p') ? 'libp2p' : 'plain'
}

function isPrivate(row: string): boolean {
  return row.endsWith('-private')
}

interface Range {
  readonly offset: number
  readonly length: number
}

/** Until most of what answers was compiled, at all ends. */
const RANGE_WARM_UPS = 100
/** What is asked for again was asked for before. */
const QUICK_WARM_UPS = 3
/** A provider takes 16 connections a second from one address. */
const COLD_PAUSE_MS = 30

/**
 * The whole of `put`, ledger included, beside the transfer alone: three times the bytes of one replica. Then where the time
 * went, each stage beside the whole.
 */
async function* putting(bench: Bench, { client, usages }: BenchNetwork, transfer: Row): AsyncIterable<Row> {
  const sizeBytes = bench.large.sizeBytes - MIB
  const { path } = await writeBenchFile(bench.folder, 'put', sizeBytes)
  let stages: PutStages | undefined
  const run = await measured(usages, async () => {
    const put = await client.call<{ seconds: number; stages: PutStages }>('put', { path, replicas: 3 })
    stages = put.stages
    return put.seconds
  })
  const value = sizeBytes / MB / run.seconds
  const { cpuSeconds, rssMiB } = run
  const used = { cpuSeconds, rssMiB }
  const peerValue = transfer.value
  yield { row: 'put-3', value, unit: 'MB/s', peer: 'transfer', peerValue, ratio: value / peerValue, ...used }
  for (const [stage, seconds] of Object.entries(stages ?? {})) {
    const ratio = run.seconds / seconds
    yield {
      row: 'put-3',
      value: seconds,
      unit: 's',
      peer: `all, of it ${stage}`,
      peerValue: run.seconds,
      ratio,
      ...used
    }
  }
}

/**
 * Peaks of client and provider after a file, and after one four times as large. The client is `holdfast put`. Beside it the
 * library in a program of its own, started as the README tells those who want it small; without the flag it takes 50 MiB
 * more. 18 MiB of it are what Node takes to run TypeScript.
 */
async function* memory(bench: Bench, { devnet }: BenchNetwork): AsyncIterable<Row> {
  const { networkFile: network, clientKeyFile: key } = devnet
  const peak = async (sizeBytes: number) => {
    const first = await writeBenchFile(bench.folder, `memory-${sizeBytes}`, sizeBytes)
    const client = await measureCommand([
      'put',
      first.path,
      '--public',
      '--replicas',
      '1',
      '--network',
      network,
      '--key',
      key
    ])
    await rm(first.path)
    const second = await writeBenchFile(bench.folder, `memory-${sizeBytes - MIB}`, sizeBytes - MIB)
    await using library = await startProcess('holdfast-client', [
      '--max-semi-space-size=1',
      '--heap-growing-percent=40'
    ])
    await library.call('open', { network, key })
    await library.call('put', { path: second.path, replicas: 1 })
    await rm(second.path)
    const providers = await devnet.peakRssMiB()
    const provider = Math.max(...devnet.providers.map(({ name }) => providers[name] ?? 0))
    const { rssMiB, cpuSeconds } = client
    return { client: rssMiB, library: (await library.usage()).rssMiB, provider, cpuSeconds }
  }
  const unit = bench.large.sizeBytes + 2 * MIB
  const [one, four] = [await peak(unit), await peak(4 * unit)]
  for (const who of ['client', 'provider', 'library'] as const)
    yield {
      row: `rss-${who}`,
      value: four[who],
      unit: 'MiB',
      peer: 'a quarter of the bytes',
      peerValue: one[who],
      ratio: one[who] / four[who],
      cpuSeconds: four.cpuSeconds,
      rssMiB: four[who]
    }
}
