/**
 * A child process: stores pieces under a directory on a worker, drops some, sweeps, goes on with uploads that broke off, and
 * prints each step when it is done. A line is a promise that no kill may break:
 *
 *   +cid  committed and kept for a deal        ?cid  its removal has begun        -cid  it is gone
 *   =n    n bytes of the long upload are suspended        !…  what must never be printed
 */
import { CID } from 'multiformats/cid'
import { createIntakeWorkers, type PieceStore } from '../../src/storage/index.ts'
import { carOf, cidOf, openTestStore, openWriter, pieceCidOf, randomBytes, storePiece } from './open-test-store.ts'

const MIB = 1024 * 1024
const LONG_SIZE_BYTES = 9 * MIB + 77

const say = (line: string) => process.stdout.write(`${line}\n`)

export async function run([path, firstSeed, firstUpload = '0']: readonly string[]): Promise<void> {
  const { open } = createIntakeWorkers({ count: 1 })
  const { store } = await openTestStore(path!, {
    capacityBytes: 10e9,
    openIncoming: open,
    clock: { now: () => Date.now() },
    leaseMs: 60_000
  })
  await Promise.all([
    storeAndRemove(store, Number(firstSeed)),
    storeAndRemove(store, Number(firstSeed) + 1),
    uploadForLong(store, Number(firstUpload))
  ])
}

/** Stores, makes public (which indexes blocks), and removes one of four. */
async function storeAndRemove(store: PieceStore, firstSeed: number): Promise<void> {
  for (let seed = firstSeed; ; seed += 2) {
    const block = randomBytes(seed, 1000 + ((seed * 7919) % 150_000))
    const { cid } = await storePiece(store, seed % 3 === 0 ? block : await carOf([block]), 64 * 1024)
    await store.keep(cid, 'deal', cid)
    if (seed % 3 !== 0 && (await store.findBlock(await cidOf(block))) === undefined) say(`!no block of ${cid}`)
    say(`+${cid}`)
    if (seed % 4 !== 0) continue
    say(`?${cid}`)
    if (seed % 8 === 0) await store.remove(cid)
    else await store.release(cid, 'deal', 0)
    await store.sweep()
    say(`-${cid}`)
  }
}

/** One upload after the other, broken off every 2 MiB, over as many lives of this process as it takes. */
async function uploadForLong(store: PieceStore, firstUpload: number): Promise<void> {
  for (let upload = firstUpload; ; upload++) {
    const bytes = randomBytes(-1 - upload, LONG_SIZE_BYTES)
    const request = { sizeBytes: bytes.length, dealId: 'long', uploadId: String(upload).padStart(32, '0') }
    for (let at = 0; at < bytes.length; ) {
      const writer = await openWriter(store, request)
      at = writer.positionBytes
      const end = Math.min(at + 2 * MIB, bytes.length)
      for (; at < end; at += 300_000) await writer.write(bytes.subarray(at, Math.min(at + 300_000, end)))
      at = end
      if (at < bytes.length) {
        await writer.suspend()
        say(`=${at}`)
        continue
      }
      const { cid } = await writer.commit()
      if (cid.toString() !== pieceCidOf(bytes)) say(`!${cid} is not what was sent`)
      await store.keep(CID.parse(cid.toString()), 'deal', cid)
      say(`+${cid}`)
      say(`*${upload}`)
    }
  }
}
