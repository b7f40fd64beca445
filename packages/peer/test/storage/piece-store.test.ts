import { readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createPieceHasher } from '@holdfast/proofs'
import { CID } from 'multiformats/cid'
import { describe, expect, it, vi } from 'vitest'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import {
  carOf,
  cidOf,
  LEASE_MS,
  nodeHasher,
  openTestStore,
  openWriter,
  pieceCidOf,
  randomBytes,
  storePiece,
  storePublicly
} from './open-test-store.ts'

const KIB = 1024
const MIB = 1024 * KIB

async function filesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter(name => name !== 'incoming' && name !== 'damaged').sort()
}

async function sizeOfAll(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true })
  const sizes = names.filter(entry => entry.isFile()).map(async ({ parentPath, name }) => stat(join(parentPath, name)))
  return (await Promise.all(sizes)).reduce((sum, { size }) => sum + size, 0)
}

describe('committing', () => {
  it.each([1, 127, 128, 5000, MIB - 1, MIB, MIB + 1, 3 * MIB + 77])('keeps a piece of %i bytes', async sizeBytes => {
    await using directory = await temporaryDirectory()
    const bytes = randomBytes(1, sizeBytes)
    await using opened = await openTestStore(directory.path)
    const piece = await storePiece(opened.store, bytes, 64 * KIB - 3)
    expect(piece).toMatchObject({
      rawSize: sizeBytes,
      isCar: false,
      blockCount: 0,
      deals: [],
      leaseUntilMs: LEASE_MS
    })
    expect(piece.cid.toString()).toBe(pieceCidOf(bytes))
    expect((await readFile(join(opened.directory, piece.cid.toString()))).equals(bytes)).toBe(true)
    expect(await opened.store.get(piece.cid)).toEqual(piece)
    expect(Buffer.from(await opened.store.read(piece.cid, 0, sizeBytes + 10)).equals(bytes)).toBe(true)
    expect(await opened.store.check(piece.cid)).toEqual({ ok: true })
  })

  it('syncs bytes before names, and names before it says so', async () => {
    await using directory = await temporaryDirectory()
    const calls: string[] = []
    const files = failingFileSystem(({ operation, path }) => {
      calls.push(`${operation} ${path.replace(/^.*\//, '').replace(/^.*\./, '.')}`)
      return undefined
    })
    await using opened = await openTestStore(directory.path, { files })
    calls.length = 0
    await storePiece(opened.store, randomBytes(1, 5000))
    const steps = ['datasync .piece', 'datasync .layer', 'rename .layer', 'rename .piece', 'sync pieces']
    expect(calls.filter(call => /^(sync|datasync|rename)/.test(call))).toEqual(steps)
  })

  it('gives the prover the layer that the hasher made, and reads of any range', async () => {
    await using directory = await temporaryDirectory()
    const bytes = randomBytes(2, 100_000)
    const hasher = createPieceHasher({ nodeHasher })
    hasher.update(bytes)
    await using opened = await openTestStore(directory.path)
    const { cid } = await storePiece(opened.store, bytes)
    const layer = await opened.store.layer(cid)
    expect(layer.height).toBe(hasher.digest().layer.height)
    const again = createPieceHasher({ nodeHasher })
    again.update(bytes)
    expect(Buffer.from(layer.nodes)).toEqual(Buffer.from(again.digest().layer.nodes))
    expect(Buffer.from(await opened.store.read(cid, 777, 1234))).toEqual(Buffer.from(bytes.subarray(777, 2011)))
    expect(await opened.store.read(cid, 100_000, 5)).toHaveLength(0)
    await expect(opened.store.read(cid, -1, 5)).rejects.toThrow(RangeError)
  })

  it('is the same again for a piece that is here, keeps its deals and mends its file', async () => {
    await using directory = await temporaryDirectory()
    const bytes = randomBytes(3, 5000)
    await using opened = await openTestStore(directory.path)
    const first = await storePiece(opened.store, bytes)
    await opened.store.keep(first.cid, 'deal 1')
    const usage = opened.store.usage()
    const file = join(opened.directory, first.cid.toString())
    await writeFile(file, randomBytes(4, 5000))
    expect(await opened.store.check(first.cid)).toEqual({ ok: false, reason: 'wrong-bytes' })
    const second = await storePiece(opened.store, bytes)
    expect(second).toMatchObject({ deals: ['deal 1'] })
    expect(second.leaseUntilMs).toBeUndefined()
    expect(second.cid.equals(first.cid)).toBe(true)
    expect(await opened.store.check(first.cid)).toEqual({ ok: true })
    expect(opened.store.usage()).toEqual(usage)
  })

  it('takes the same piece from several writers at once', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const bytes = randomBytes(3, 70_000)
    const pieces = await Promise.all([1, 2, 3, 4].map(() => storePiece(opened.store, bytes)))
    expect(new Set(pieces.map(({ cid }) => cid.toString())).size).toBe(1)
    expect(await filesIn(opened.directory)).toEqual([pieces[0]!.cid.toString(), `${pieces[0]!.cid}.layer`])
    expect(await sizeOfAll(opened.directory)).toBe(opened.store.usage().usedBytes)
  })

  it('says what the bytes are before anything is kept', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const writer = await openWriter(opened.store, { sizeBytes: 500 })
    await writer.write(randomBytes(5, 400))
    expect(writer.positionBytes).toBe(400)
    const { piece } = await writer.finish()
    expect(piece).toBe(pieceCidOf(randomBytes(5, 400)))
    await writer.abort()
    await writer.abort()
    expect(await opened.store.has(CID.parse(piece))).toBe(false)
    await expect(writer.commit()).rejects.toMatchObject({ code: 'WRITER_CLOSED' })
    await expect(writer.write(new Uint8Array(1))).rejects.toMatchObject({ code: 'WRITER_CLOSED' })
    expect(await sizeOfAll(opened.directory)).toBe(0)
  })

  it('refuses more bytes than were declared, and none at all', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const writer = await openWriter(opened.store, { sizeBytes: 500 })
    await expect(writer.write(new Uint8Array(501))).rejects.toThrow(RangeError)
    const empty = await openWriter(opened.store, { sizeBytes: 500 })
    await expect(empty.commit()).rejects.toThrow(RangeError)
    expect(opened.store.usage()).toMatchObject({ usedBytes: 0, reservedBytes: 0 })
    await expect(opened.store.receive({ sizeBytes: 0 })).rejects.toThrow(RangeError)
    expect(await sizeOfAll(opened.directory)).toBe(0)
  })
})

describe('the quota', () => {
  it('is reserved before the first byte and exact afterwards', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, { capacityBytes: 100_000 })
    const { store } = opened
    const first = await openWriter(store, { sizeBytes: 60_000 })
    const { reservedBytes } = store.usage()
    expect(reservedBytes).toBeGreaterThan(60_000)
    expect(await store.receive({ sizeBytes: 60_000 })).toEqual({
      ok: false,
      code: 'NO_SPACE',
      limit: 'quota',
      neededBytes: reservedBytes,
      freeBytes: 100_000 - reservedBytes
    })
    await first.write(randomBytes(1, 30_000))
    await first.commit()
    expect(store.usage().reservedBytes).toBe(0)
    expect(store.usage().usedBytes).toBe(await sizeOfAll(opened.directory))
    expect(store.usage().leasedBytes).toBe(store.usage().usedBytes)
    expect((await store.receive({ sizeBytes: 60_000 })).ok).toBe(true)
  })

  it('cannot be passed by asking at the same time', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, { capacityBytes: 100_000 })
    const answers = await Promise.all([1, 2, 3, 4].map(() => opened.store.receive({ sizeBytes: 40_000 })))
    expect(answers.filter(({ ok }) => ok)).toHaveLength(2)
  })

  it('leaves the reserve of the disk alone', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, { floor: { bytes: 2 ** 60, permille: 1000 } })
    expect(await opened.store.receive({ sizeBytes: 1 })).toMatchObject({ ok: false, limit: 'disk', freeBytes: 0 })
  })

  it('is counted again after a restart', async () => {
    await using directory = await temporaryDirectory()
    let usage: unknown
    {
      await using opened = await openTestStore(directory.path)
      await storePiece(opened.store, randomBytes(1, 5000))
      await opened.store.keep((await storePiece(opened.store, randomBytes(2, 7000))).cid, 'deal')
      usage = opened.store.usage()
    }
    await using opened = await openTestStore(directory.path)
    expect(opened.store.usage()).toEqual(usage)
    expect(opened.events).toEqual([])
  })
})

describe('deals and leases', () => {
  it('sweeps a lease when it is over and not before', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const { cid } = await storePiece(opened.store, randomBytes(1, 5000))
    opened.time.nowMs = LEASE_MS - 1
    expect(await opened.store.sweep()).toEqual([])
    opened.time.nowMs = LEASE_MS
    expect((await opened.store.sweep()).map(String)).toEqual([cid.toString()])
    expect(await filesIn(opened.directory)).toEqual([])
    expect(await opened.level.keys().all()).toEqual([])
    expect(opened.store.usage()).toMatchObject({ usedBytes: 0, leasedBytes: 0 })
    await expect(opened.store.read(cid, 0, 1)).rejects.toMatchObject({ code: 'PIECE_NOT_FOUND' })
  })

  it('keeps a piece as long as one deal needs it', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const { store, time } = opened
    const { cid } = await storePiece(store, randomBytes(1, 5000))
    expect(await Promise.all(['b', 'a', 'a'].map(deal => store.keep(cid, deal)))).toEqual([true, true, true])
    expect(await store.get(cid)).toMatchObject({ deals: ['a', 'b'] })
    expect(store.usage().leasedBytes).toBe(0)
    await store.release(cid, 'a')
    time.nowMs = 10 * LEASE_MS
    expect(await store.sweep()).toEqual([])
    await store.release(cid, 'b')
    await store.release(cid, 'b')
    expect(await store.get(cid)).toMatchObject({ deals: [], leaseUntilMs: 11 * LEASE_MS })
    expect(await store.sweep()).toEqual([])
    time.nowMs = 11 * LEASE_MS
    expect(await store.sweep()).toHaveLength(1)
    expect(await store.keep(cid, 'c')).toBe(false)
  })

  it('does not sweep a piece that a deal claims at the same moment', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const { cid } = await storePiece(opened.store, randomBytes(1, 5000))
    opened.time.nowMs = LEASE_MS
    const [kept, swept] = await Promise.all([opened.store.keep(cid, 'a'), opened.store.sweep()])
    expect(kept).toBe(true)
    expect(swept).toEqual([])
    expect(await opened.store.check(cid)).toEqual({ ok: true })
  })

  it('remembers them after a restart, and removes whatever is told to go', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestStore(directory.path)
      await opened.store.keep((await storePiece(opened.store, randomBytes(1, 5000))).cid, 'a')
    }
    await using opened = await openTestStore(directory.path)
    const pieces = []
    for await (const piece of opened.store.list()) pieces.push(piece)
    expect(pieces).toMatchObject([{ deals: ['a'], rawSize: 5000 }])
    await opened.store.remove(pieces[0]!.cid)
    expect(await filesIn(opened.directory)).toEqual([])
  })
})

describe('blocks', () => {
  it('of a public CAR are found where they stand', async () => {
    await using directory = await temporaryDirectory()
    const blocks = [randomBytes(1, 10), randomBytes(2, 3000), randomBytes(3, 90_000)]
    await using opened = await openTestStore(directory.path)
    const piece = await storePublicly(opened.store, await carOf(blocks), 777)
    expect(piece).toMatchObject({ isCar: true, blockCount: 3 })
    for (const block of blocks) {
      const position = await opened.store.findBlock(await cidOf(block))
      expect(position!.pieceCid.equals(piece.cid)).toBe(true)
      const read = await opened.store.read(position!.pieceCid, position!.offset, position!.length)
      expect(Buffer.from(read)).toEqual(Buffer.from(block))
    }
    expect(await opened.store.findBlock(await cidOf(randomBytes(9, 9)))).toBeUndefined()
  })

  it('stay as long as one piece has them', async () => {
    await using directory = await temporaryDirectory()
    const shared = randomBytes(1, 500)
    await using opened = await openTestStore(directory.path)
    const first = await storePublicly(opened.store, await carOf([shared, randomBytes(2, 5)]))
    const second = await storePublicly(opened.store, await carOf([shared]))
    await opened.store.remove(first.cid)
    const position = await opened.store.findBlock(await cidOf(shared))
    expect(position!.pieceCid.equals(second.cid)).toBe(true)
    await opened.store.remove(second.cid)
    expect(await opened.store.findBlock(await cidOf(shared))).toBeUndefined()
    expect(await opened.level.keys().all()).toEqual([])
  })

  it('of a piece that is not here do not count', async () => {
    await using directory = await temporaryDirectory()
    const block = randomBytes(1, 500)
    await using opened = await openTestStore(directory.path)
    const cid = await cidOf(block)
    // What is left of a piece whose record went first.
    const multihash = Buffer.from(cid.multihash.bytes).toString('hex')
    await opened.level.put(`b!${multihash}!${await pieceCidOf(await carOf([block]))}`, '97,500')
    expect(await opened.store.findBlock(cid)).toBeUndefined()
    const stored = await storePublicly(opened.store, await carOf([randomBytes(2, 500), block]))
    expect((await opened.store.findBlock(cid))?.pieceCid.equals(stored.cid)).toBe(true)
  })

  it.each([
    ['cut short', (car: Uint8Array) => car.subarray(0, -1)],
    ['with something behind it', (car: Uint8Array) => Buffer.concat([car, Uint8Array.of(200)])],
    ['with a broken section', (car: Uint8Array) => Buffer.concat([car, Uint8Array.of(3, 9, 9, 9), car])]
  ])('of a CAR %s are not indexed, but the piece is kept', async (_, spoil) => {
    await using directory = await temporaryDirectory()
    const bytes = spoil(await carOf([randomBytes(1, 500)]))
    await using opened = await openTestStore(directory.path)
    expect(await storePublicly(opened.store, bytes)).toMatchObject({ isCar: false, blockCount: 0 })
    expect(await opened.level.keys().all()).toHaveLength(1)
  })
})

describe('start', () => {
  it('indexes pieces again when the index is gone, as leases', async () => {
    await using directory = await temporaryDirectory()
    const block = randomBytes(1, 500)
    let entries: unknown
    {
      await using opened = await openTestStore(directory.path)
      await storePiece(opened.store, await carOf([block]))
      await storePiece(opened.store, randomBytes(2, 3 * MIB))
      entries = await opened.level.iterator().all()
    }
    await rm(join(directory.path, 'index'), { recursive: true })
    await using opened = await openTestStore(directory.path)
    expect(opened.events.map(({ type }) => type)).toEqual(['piece-reindexed', 'piece-reindexed'])
    expect(await opened.level.iterator().all()).toEqual(entries)
  })

  it('drops entries whose file is gone and says whose deals they were', async () => {
    await using directory = await temporaryDirectory()
    let piece = ''
    {
      await using opened = await openTestStore(directory.path)
      const { cid } = await storePiece(opened.store, await carOf([randomBytes(1, 500)]))
      await opened.store.keep(cid, 'deal 7')
      piece = cid.toString()
    }
    await rm(join(directory.path, 'pieces', piece))
    await using opened = await openTestStore(directory.path)
    expect(opened.events).toEqual([
      { type: 'piece-missing', piece, deals: ['deal 7'] },
      { type: 'layer-removed', name: piece }
    ])
    expect(await opened.level.keys().all()).toEqual([])
    expect(await filesIn(opened.directory)).toEqual([])
  })

  it('sweeps what was on its way in, and leaves files alone that it cannot explain', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestStore(directory.path)
      await writeFile(join(opened.directory, 'incoming', 'x.piece'), 'half')
      await writeFile(join(opened.directory, 'notes.txt'), 'mine')
    }
    await using opened = await openTestStore(directory.path)
    expect(opened.events).toEqual([
      { type: 'temporary-removed', name: 'x.piece' },
      { type: 'file-unexplained', name: 'notes.txt' }
    ])
    expect(await filesIn(opened.directory)).toEqual(['notes.txt'])
  })

  it.each(['indexed', 'not indexed'])('sets a file aside that is not what its name says, %s', async indexed => {
    await using directory = await temporaryDirectory()
    let piece = ''
    {
      await using opened = await openTestStore(directory.path)
      piece = (await storePiece(opened.store, randomBytes(1, 5000))).cid.toString()
    }
    if (indexed === 'indexed') await truncate(join(directory.path, 'pieces', piece), 4999)
    else {
      await rm(join(directory.path, 'index'), { recursive: true })
      await writeFile(join(directory.path, 'pieces', piece), randomBytes(2, 5000))
    }
    await using opened = await openTestStore(directory.path)
    expect(opened.events).toMatchObject([
      { type: 'piece-damaged', piece, reason: indexed === 'indexed' ? 'wrong-size' : 'wrong-bytes' },
      { type: 'layer-removed', name: piece }
    ])
    expect(await filesIn(opened.directory)).toEqual([])
    expect(await readdir(join(opened.directory, 'damaged'))).toEqual([piece])
    expect(opened.store.usage().usedBytes).toBe(0)
  })

  it('stops at a dropped signal and can be called again', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestStore(directory.path)
      await storePiece(opened.store, randomBytes(1, 5000))
    }
    await rm(join(directory.path, 'index'), { recursive: true })
    await using opened = await openTestStore(directory.path)
    await opened.level.clear()
    const { createPieceStore } = await import('../../src/storage/index.ts')
    await using store = createPieceStore({
      directory: opened.directory,
      level: opened.level,
      capacityBytes: 1e6,
      nodeHasher,
      clock: { now: () => 0 }
    })
    await expect(store.start({ signal: AbortSignal.abort() })).rejects.toThrow('aborted')
    await store.start()
    await store.start()
    expect(store.usage().usedBytes).toBeGreaterThan(5000)
  })
})

describe('the cached layer', () => {
  it.each([
    ['missing', (path: string) => rm(path)],
    ['flipped', async (path: string) => writeFile(path, (await readFile(path)).fill(1, 60, 61))],
    ['too long', async (path: string) => writeFile(path, Buffer.concat([await readFile(path), Buffer.alloc(1)]))],
    ['of another piece', async (path: string) => rename(path.replace(/[^/]*$/, 'other'), path)]
  ])('is made again when its file is %s', async (_, spoil) => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const { cid } = await storePiece(opened.store, randomBytes(1, 9000))
    const other = await storePiece(opened.store, randomBytes(2, 30_000))
    await rename(join(opened.directory, `${other.cid}.layer`), join(opened.directory, 'other'))
    const path = join(opened.directory, `${cid}.layer`)
    const nodes = Buffer.from((await opened.store.layer(cid)).nodes)
    const file = await readFile(path)
    await spoil(path)
    expect(Buffer.from((await opened.store.layer(cid)).nodes)).toEqual(nodes)
    expect(opened.events).toEqual([{ type: 'layer-rebuilt', piece: cid.toString() }])
    expect(await readFile(path)).toEqual(file)
  })

  it('is not made from bytes that are no longer the piece', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const { cid } = await storePiece(opened.store, randomBytes(1, 9000))
    await rm(join(opened.directory, `${cid}.layer`))
    await writeFile(join(opened.directory, cid.toString()), randomBytes(2, 9000))
    await expect(opened.store.layer(cid)).rejects.toMatchObject({ code: 'PIECE_DAMAGED' })
    await vi.waitFor(async () => expect(await opened.store.get(cid)).toMatchObject({ isDamaged: true }))
    await rm(join(opened.directory, cid.toString()))
    await expect(opened.store.read(cid, 0, 1)).rejects.toMatchObject({ code: 'PIECE_MISSING' })
    expect(await opened.store.check(cid)).toEqual({ ok: false, reason: 'missing' })
  })
})

describe('a disk that fails', () => {
  it.each(['write', 'writeFile', 'datasync', 'open'])(
    'is full at any %s: the piece is given up and its room given back',
    async failing => {
      await using directory = await temporaryDirectory()
      let full = false
      const files = failingFileSystem(({ operation, path }) =>
        full && operation === failing && path.includes('incoming') ? systemError('ENOSPC') : undefined
      )
      await using opened = await openTestStore(directory.path, { files })
      full = true
      await expect(storePiece(opened.store, randomBytes(1, 3 * MIB), MIB)).rejects.toMatchObject({ code: 'NO_SPACE' })
      expect(opened.store.usage()).toMatchObject({ usedBytes: 0, reservedBytes: 0 })
      expect(await sizeOfAll(opened.directory)).toBe(0)
      full = false
      await storePiece(opened.store, randomBytes(1, 3 * MIB), MIB)
    }
  )

  it('takes no more pieces after a failed sync, until it is started again', async () => {
    await using directory = await temporaryDirectory()
    let broken = false
    const files = failingFileSystem(({ operation }) =>
      broken && operation === 'datasync' ? systemError('EIO') : undefined
    )
    const bytes = randomBytes(1, 5000)
    {
      await using opened = await openTestStore(directory.path, { files })
      const before = await storePiece(opened.store, randomBytes(2, 100))
      broken = true
      await expect(storePiece(opened.store, bytes)).rejects.toMatchObject({ code: 'DISK_FAILED' })
      broken = false
      await expect(opened.store.receive({ sizeBytes: 5 })).rejects.toMatchObject({ code: 'DISK_FAILED' })
      expect(await opened.store.read(before.cid, 0, 100)).toHaveLength(100)
    }
    await using opened = await openTestStore(directory.path, { files })
    await storePiece(opened.store, bytes)
  })

  it('at any call of a commit leaves the whole piece or nothing', async () => {
    const bytes = await carOf([randomBytes(1, 2 * MIB), randomBytes(2, 10)])
    let failed = 0
    let done = false
    for (let n = 1; !done; n++) {
      await using directory = await temporaryDirectory()
      let calls = -1
      const files = failingFileSystem(() => {
        if (calls < 0) return undefined
        calls += 1
        return calls === n ? systemError('EIO') : undefined
      })
      {
        await using opened = await openTestStore(directory.path, { files })
        calls = 0
        const stored = await storePiece(opened.store, bytes, MIB).catch((error: unknown) => {
          failed += 1
          expect(error).toBeInstanceOf(Error)
        })
        done = stored !== undefined && calls < n
        calls = -1
      }
      await using opened = await openTestStore(directory.path)
      const names = await filesIn(opened.directory)
      expect([0, 2], names.join()).toContain(names.length)
      const pieces = []
      for await (const piece of opened.store.list()) pieces.push(await opened.store.check(piece.cid))
      expect(pieces).toEqual(names.length === 0 ? [] : [{ ok: true }])
      expect(await sizeOfAll(opened.directory)).toBe(opened.store.usage().usedBytes)
    }
    expect(failed).toBeGreaterThan(5)
  })
})

it('gives up open pieces when it stops, and takes none afterwards', async () => {
  await using directory = await temporaryDirectory()
  await using opened = await openTestStore(directory.path)
  const writer = await openWriter(opened.store, { sizeBytes: 5000 })
  await writer.write(new Uint8Array(100))
  await opened.store.stop()
  await opened.store.stop()
  await expect(writer.write(new Uint8Array(1))).rejects.toMatchObject({ code: 'WRITER_CLOSED' })
  await expect(opened.store.receive({ sizeBytes: 1 })).rejects.toMatchObject({ code: 'STORE_STOPPED' })
  expect(await sizeOfAll(opened.directory)).toBe(0)
})
