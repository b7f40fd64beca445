/** A provider that nobody asks for anything: what it costs, and how soon it works when it has many pieces. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Devnet, startDevnet } from '@holdfast/peer/devnet'
import { createPieceHasher } from '@holdfast/proofs'
import { loadNativeNodeHasher } from '@holdfast/proofs/native'
import { Level } from 'level'
import { encodeLayer, layerFile, pieceFile, piecePaths } from '../../packages/peer/dist/storage/piece-files.js'
import { createSpanSummer } from '../../packages/peer/dist/storage/span-checksums.js'
import { usageOf } from '../data/measured-process.ts'

export interface IdleDaemon {
  readonly rssMiB: number
  /** Of one core, in thousandths. */
  readonly cpuPermille: number
  readonly cpuSeconds: number
}

/** Rounds are so long that none closes meanwhile. */
const ROUND_MS = 3_600_000
const TINY_PIECE_SIZE_BYTES = 256
const INDEX_BATCH = 1_000

/** The data directory of its provider survives restarts. */
export async function startIdleDevnet(folder: string): Promise<Devnet> {
  const directory = join(folder, 'devnet')
  await mkdir(directory)
  return await startDevnet({ directory, providers: 1, roundMs: ROUND_MS, startMs: ROUND_MS, allocate: ['8GiB'] })
}

/** Watches the provider of a devnet for a while after its start has settled. */
export async function watchIdle(devnet: Devnet, seconds: number): Promise<IdleDaemon> {
  const { pid } = devnet.processOf(devnet.providers[0]!)
  await sleep(2_000)
  const before = await usageOf(pid)
  await sleep(seconds * 1_000)
  const after = await usageOf(pid)
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds
  return { rssMiB: await residentMiB(pid), cpuPermille: (cpuSeconds * 1_000) / seconds, cpuSeconds }
}

/** Now, not at its highest. */
async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024
}

/**
 * Ends the provider, gives it so many pieces and starts it again.
 *
 * The files are written as the store would have, without its syncs, which would take minutes.
 *
 * @returns until all of its roles work
 */
export async function restartWithPieces(devnet: Devnet, count: number): Promise<{ seconds: number; rssMiB: number }> {
  const provider = devnet.providers[0]!
  await devnet.kill(provider)
  await writePieces(provider.directory, count)
  const before = performance.now()
  await devnet.restart(provider)
  const seconds = (performance.now() - before) / 1000
  return { seconds, rssMiB: (await usageOf(devnet.processOf(provider).pid)).rssMiB }
}

async function writePieces(directory: string, count: number): Promise<void> {
  const nodeHasher = await loadNativeNodeHasher()
  const paths = piecePaths(join(directory, 'pieces'))
  const level = new Level<string, string>(join(directory, 'index'))
  const holders = [{ dealId: '', untilMs: Date.now() + ROUND_MS }]
  const record = JSON.stringify({
    version: 2,
    holders,
    isCar: false,
    blockCount: 0,
    isIndexed: false,
    isDamaged: false
  })
  for (let from = 0; from < count; from += INDEX_BATCH) {
    const operations = Array.from({ length: Math.min(INDEX_BATCH, count - from) }, async (_, index) => {
      const bytes = new Uint8Array(TINY_PIECE_SIZE_BYTES).fill(7)
      new DataView(bytes.buffer).setUint32(0, from + index)
      const hasher = createPieceHasher({ nodeHasher })
      hasher.update(bytes)
      const { cid, layer } = hasher.digest()
      await writeFile(pieceFile(paths, cid.toString()), bytes)
      const summer = createSpanSummer()
      summer.update(bytes)
      await writeFile(layerFile(paths, cid.toString()), encodeLayer(layer, summer.finish()))
      return { type: 'put', key: `p!${cid}`, value: record } as const
    })
    await level.batch(await Promise.all(operations))
  }
  await level.close()
}
