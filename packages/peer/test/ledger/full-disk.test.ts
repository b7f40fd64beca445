/** A ledger log on a disk that something else has filled to the last block. Needs root. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { PeerError } from '../../src/error.ts'
import { machineFileSystem } from '../../src/storage/file-system.ts'
import { openDiskReserve } from '../../src/storage/index.ts'
import { withReserve } from '../../src/storage/reserved-room.ts'
import { mountCutDisk } from '../mount-disk.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestLog, payloadOf } from './open-test-log.ts'

const MIB = 1024 * 1024
/** Of each segment: small, so that new files are made on the full disk too. */
const SEGMENT_SIZE_BYTES = 200_000

/** Writes until there is no block left; what did not fit stays short. */
async function fill(path: string): Promise<void> {
  for (const sizeBytes of [64 * MIB, MIB, 64 * 1024, 4096]) {
    for (let full = false; !full; )
      full = await writeFile(path, new Uint8Array(sizeBytes).fill(1), { flag: 'a' }).then(
        () => false,
        () => true
      )
  }
}

it('takes entries from the reserve, and stops without harm when that is used up too', async ({ skip }) => {
  const disk = await mountCutDisk(24)
  if (typeof disk === 'string') return skip(disk)
  await using _ = disk
  await using elsewhere = await temporaryDirectory()
  const reserve = await openDiskReserve(join(disk.path, 'reserve'), { sizeBytes: 2 * MIB })
  expect(reserve.isHeld).toBe(true)
  const options = { directory: join(disk.path, 'ledger'), segmentSizeBytesMax: SEGMENT_SIZE_BYTES }
  const ballast = join(disk.path, 'ballast')
  let acknowledged = 0
  {
    await using opened = await openTestLog(elsewhere.path, {
      ...options,
      files: withReserve(machineFileSystem, reserve)
    })
    await fill(ballast)
    const append = async () => {
      await opened.log.append(Array.from({ length: 100 }, (_, index) => payloadOf(acknowledged + index)))
      acknowledged += 100
    }
    for (let group = 0; group < 20; group++) await append()
    expect(reserve.isHeld).toBe(false)
    const until = async () => {
      for (;;) await append()
    }
    const failure = await until().catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'LOG_POISONED', cause: { code: 'ENOSPC' } })
    expect(failure).toBeInstanceOf(PeerError)
  }
  await rm(ballast)
  await using opened = await openTestLog(elsewhere.path, options)
  expect(opened.log.length).toBeGreaterThanOrEqual(acknowledged)
  for await (const { sequence, payload } of opened.log.read({ from: 0, to: acknowledged }))
    expect(Buffer.from(payload).equals(payloadOf(sequence))).toBe(true)
})
