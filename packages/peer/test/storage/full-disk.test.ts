/** A disk of 40 MB that fills up and empties again, with index, reserve and pieces on it. Needs root. */
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PeerError } from '../../src/error.ts'
import { createPieceStore, openDiskReserve, openHealingLevel, type PieceStore } from '../../src/storage/index.ts'
import { mountSmallDisk } from '../mount-disk.ts'
import { nodeHasher, randomBytes, storePiece } from './open-test-store.ts'

const MIB = 1024 * 1024
const isLong = process.env.HOLDFAST_LONG === '1'
const ROUNDS = isLong ? 100 : 8

describe('a disk that fills up', () => {
  it(`${ROUNDS} times loses no piece that was acknowledged, and heals when there is room again`, {
    timeout: ROUNDS * 15_000
  }, async ({ skip }) => {
    const disk = await mountSmallDisk(40)
    if (typeof disk === 'string') return skip(disk)
    await using _ = disk
    const reserve = await openDiskReserve(join(disk.path, 'reserve'), { sizeBytes: 2 * MIB })
    expect(reserve.isHeld).toBe(true)
    await using level = await openHealingLevel(join(disk.path, 'index'), async () => {
      await reserve.release()
    })
    const open = () =>
      createPieceStore({
        directory: join(disk.path, 'pieces'),
        level,
        capacityBytes: 1e9,
        floor: { bytes: 0, permille: 0 },
        nodeHasher,
        clock: { now: () => 0 }
      })
    await mkdir(join(disk.path, 'pieces'))
    let store: PieceStore = open()
    await store.start()
    const kept: { cid: Awaited<ReturnType<typeof storePiece>>['cid']; seed: number }[] = []
    const ballast = join(disk.path, 'ballast')
    const codes = new Set<string>()
    for (let round = 0; round < ROUNDS; round++) {
      const { bavail, bsize } = await statfs(disk.path)
      // Leaves between nothing and 3 MiB, so that the end comes at a different call each time.
      await writeFile(ballast, randomBytes(0, Math.max(0, bavail * bsize - ((round * 389_123) % (3 * MIB)))))
      for (let i = 0; i < 4; i++) {
        const seed = round * 10 + i
        try {
          const { cid } = await storePiece(store, randomBytes(seed, 300_000), 100_000)
          kept.push({ cid, seed })
          await store.keep(cid, String(seed))
        } catch (error) {
          if (!(error instanceof PeerError || error instanceof Error)) throw error
          codes.add((error as PeerError).code)
        }
      }
      await rm(ballast)
      await reserve.hold()
      // What a full disk did to the store, the next start mends; nobody needs to look at anything.
      await store.stop()
      store = open()
      await store.start()
      for (const { cid, seed } of kept) {
        expect(Buffer.from(await store.read(cid, 0, 300_000)).equals(randomBytes(seed, 300_000))).toBe(true)
      }
      for (const { cid } of kept.splice(0, Math.max(0, kept.length - 20))) await store.remove(cid)
    }
    await store.stop()
    expect(codes.size).toBeGreaterThan(0)
    expect(kept.length).toBeGreaterThan(0)
  })

  it('is full for pieces before it is full for the ledger', async ({ skip }) => {
    const disk = await mountSmallDisk(40)
    if (typeof disk === 'string') return skip(disk)
    await using _ = disk
    await using level = await openHealingLevel(join(disk.path, 'index'))
    await mkdir(join(disk.path, 'pieces'))
    await using store = createPieceStore({
      directory: join(disk.path, 'pieces'),
      level,
      capacityBytes: 1e9,
      floor: { bytes: 2 ** 31, permille: 250 },
      nodeHasher,
      clock: { now: () => 0 }
    })
    await store.start()
    let seed = 0
    for (; ; seed++) {
      const received = await store.receive({ sizeBytes: MIB })
      if (!received.ok) {
        expect(received).toMatchObject({ limit: 'disk' })
        break
      }
      if (!('writer' in received)) throw new TypeError('expected a writer')
      await received.writer.write(randomBytes(seed, MIB))
      await received.writer.commit()
    }
    expect(seed).toBeGreaterThan(20)
    const { bavail, bsize } = await statfs(disk.path)
    expect(bavail * bsize).toBeGreaterThanOrEqual(10 * MIB)
  })
})

describe('a Level handle after a full disk', () => {
  it('is of use again once there is room, with everything that was acknowledged', async ({ skip }) => {
    const disk = await mountSmallDisk(12)
    if (typeof disk === 'string') return skip(disk)
    await using _ = disk
    await using level = await openHealingLevel(join(disk.path, 'index'))
    const value = randomBytes(1, 2048).toString()
    const write = (at: number) => level.batch([{ type: 'put', key: `k${at}`, value }], { sync: true })
    let at = 0
    const ballast = join(disk.path, 'ballast')
    for (let round = 0; round < 3; round++) {
      const first = at
      const { bavail, bsize } = await statfs(disk.path)
      await writeFile(ballast, new Uint8Array(Math.max(0, bavail * bsize - 60_000)).fill(1))
      const filling = (async () => {
        for (; ; at++) await write(at)
      })()
      await expect(filling).rejects.toThrow()
      expect(at).toBeGreaterThan(first)
      await rm(ballast)
      await write(at)
      at += 1
      for (let i = 0; i < at; i++) expect(await level.get(`k${i}`)).toBe(value)
    }
  })
})
