import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createIntakeWorkers, type PieceStoreOptions } from '../../src/storage/index.ts'
import { parseUploadLog } from '../../src/storage/upload-log.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestStore, openWriter, pieceCidOf, randomBytes, storePiece, type TestStore } from './open-test-store.ts'

const MIB = 1024 * 1024
const SIZE_BYTES = 5 * MIB + 77
const BYTES = randomBytes(1, SIZE_BYTES)
const REQUEST = { sizeBytes: SIZE_BYTES, dealId: '7', uploadId: '0a'.repeat(16) }

const workers = createIntakeWorkers({ count: 1 })
afterAll(() => workers.stop())

const incoming = ({ directory }: TestStore) => readdir(join(directory, 'incoming'))

async function writeUpTo(opened: TestStore, endBytes: number, request = REQUEST) {
  const writer = await openWriter(opened.store, request)
  const startBytes = writer.positionBytes
  for (let at = startBytes; at < endBytes; at += 300_000)
    await writer.write(BYTES.subarray(at, Math.min(endBytes, at + 300_000)))
  return { writer, startBytes }
}

describe.each<[string, Partial<PieceStoreOptions>]>([
  ['in the calling thread', {}],
  ['in a worker', { openIncoming: workers.open }]
])('an upload that is taken %s', (_, intake) => {
  it('becomes the piece, its layer and nothing else', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, intake)
    const piece = await storePiece(opened.store, BYTES, 777_777)
    expect(piece.cid.toString()).toBe(pieceCidOf(BYTES))
    expect((await readFile(join(opened.directory, piece.cid.toString()))).equals(BYTES)).toBe(true)
    expect(await opened.store.check(piece.cid)).toEqual({ ok: true })
    expect(await incoming(opened)).toEqual([])
    expect(opened.store.usage()).toMatchObject({ reservedBytes: 0, unwrittenBytes: 0, suspendedBytes: 0 })
  })

  it.each([1, 127, MIB, 3 * MIB + 5])('goes on at byte %i, where it broke off', async endBytes => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, intake)
    const first = await writeUpTo(opened, endBytes)
    await first.writer.suspend()
    expect(opened.store.usage()).toMatchObject({ reservedBytes: 0, suspendedBytes: endBytes })
    expect(opened.store.leases()).toMatchObject([{ dealId: '7', rawBytes: endBytes }])
    const { writer, startBytes } = await writeUpTo(opened, SIZE_BYTES)
    expect(startBytes).toBe(endBytes)
    expect((await writer.commit()).cid.toString()).toBe(pieceCidOf(BYTES))
    expect(opened.store.usage()).toMatchObject({ reservedBytes: 0, suspendedBytes: 0 })
    expect(await incoming(opened)).toEqual([])
  })

  it('goes on after the peer was stopped and started', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestStore(directory.path, { ...intake, clock: { now: () => Date.now() } })
      await writeUpTo(opened, 2 * MIB)
    }
    await using opened = await openTestStore(directory.path, { ...intake, clock: { now: () => Date.now() } })
    expect(opened.store.usage()).toMatchObject({ suspendedBytes: 2 * MIB })
    const { writer, startBytes } = await writeUpTo(opened, SIZE_BYTES)
    expect(startBytes).toBe(2 * MIB)
    expect((await writer.commit()).cid.toString()).toBe(pieceCidOf(BYTES))
  })

  it('is the commitment of what lies on the disk, not of what was sent', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, intake)
    const { writer: first } = await writeUpTo(opened, 2 * MIB)
    await first.suspend()
    const [file] = (await incoming(opened)).filter(name => name.endsWith('.piece'))
    const path = join(opened.directory, 'incoming', file!)
    const bytes = await readFile(path)
    bytes[1000]! ^= 1
    await writeFile(path, bytes)
    const { writer } = await writeUpTo(opened, SIZE_BYTES)
    const { cid } = await writer.commit()
    expect(cid.toString()).not.toBe(pieceCidOf(BYTES))
    expect(await opened.store.check(cid)).toEqual({ ok: true })
  })

  it('ends the one before it when it comes again, and goes on from there', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, intake)
    const { writer: first } = await writeUpTo(opened, MIB)
    const { writer, startBytes } = await writeUpTo(opened, SIZE_BYTES)
    expect(startBytes).toBe(MIB)
    await expect(first.write(BYTES.subarray(MIB, MIB + 1))).rejects.toMatchObject({ code: 'WRITER_CLOSED' })
    expect((await writer.commit()).cid.toString()).toBe(pieceCidOf(BYTES))
  })

  it('does not begin anew when it was committed and its client did not hear of it', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, intake)
    await storePiece(opened.store, BYTES, MIB, REQUEST)
    const again = await opened.store.receive(REQUEST)
    expect(again).toMatchObject({ ok: true, piece: { rawSize: SIZE_BYTES } })
  })

  it.each<[string, Partial<typeof REQUEST>]>([
    ['deal', { dealId: '8' }],
    ['size', { sizeBytes: SIZE_BYTES - 1 }],
    ['id', { uploadId: '0b'.repeat(16) }]
  ])('is another one under another %s', async (_, change) => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, intake)
    await (await writeUpTo(opened, MIB)).writer.suspend()
    const writer = await openWriter(opened.store, { ...REQUEST, ...change })
    expect(writer.positionBytes).toBe(0)
    await writer.abort()
    expect(opened.store.usage().suspendedBytes).toBe(MIB)
  })

  it('is thrown away when nobody goes on with it for its time', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, { ...intake, resumeMs: 500 })
    await (await writeUpTo(opened, MIB)).writer.suspend()
    opened.time.nowMs = 499
    await opened.store.sweep()
    expect(await incoming(opened)).toHaveLength(2)
    opened.time.nowMs = 500
    await opened.store.sweep()
    expect(await incoming(opened)).toEqual([])
    expect(opened.store.usage().suspendedBytes).toBe(0)
  })

  it('takes room only for what it has while it is broken off, and is refused when there is no more', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, { ...intake, capacityBytes: 8 * MIB })
    await (await writeUpTo(opened, MIB)).writer.suspend()
    expect(opened.store.usage().freeBytes).toBe(7 * MIB)
    const other = await openWriter(opened.store, { sizeBytes: 6 * MIB })
    expect(await opened.store.receive(REQUEST)).toMatchObject({ ok: false, limit: 'quota' })
    await other.abort()
    expect((await writeUpTo(opened, SIZE_BYTES)).startBytes).toBe(MIB)
  })

  it('that was given up leaves nothing to go on with, whatever else is asked of it', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path, intake)
    const { writer } = await writeUpTo(opened, MIB)
    await expect(writer.write(new Uint8Array(SIZE_BYTES))).rejects.toThrow(RangeError)
    await writer.suspend()
    await writer.abort()
    expect(opened.store.leases()).toEqual([])
    expect(opened.store.usage()).toMatchObject({ reservedBytes: 0, suspendedBytes: 0 })
    expect(await incoming(opened)).toEqual([])
  })
})

describe('what a crash leaves of an upload', () => {
  /** Leaves an upload of 2 MiB behind, and lets a test spoil its files before the next start. */
  async function reopen(path: string, spoil: (files: { piece: string; log: string }) => Promise<void>) {
    {
      await using opened = await openTestStore(path)
      await writeUpTo(opened, 2 * MIB)
    }
    const folder = join(path, 'pieces', 'incoming')
    const names = await readdir(folder)
    const find = (ending: string) => join(folder, names.find(name => name.endsWith(ending))!)
    await spoil({ piece: find('.piece'), log: find('.upload') })
    return await openTestStore(path)
  }

  it('is cut to what a sync had covered', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await reopen(directory.path, async ({ piece }) => {
      await writeFile(piece, randomBytes(9, 100), { flag: 'a' })
    })
    expect(opened.store.usage().suspendedBytes).toBe(2 * MIB)
    const { writer, startBytes } = await writeUpTo(opened, SIZE_BYTES)
    expect(startBytes).toBe(2 * MIB)
    expect((await writer.commit()).cid.toString()).toBe(pieceCidOf(BYTES))
  })

  it.each<[string, (files: { piece: string; log: string }) => Promise<void>]>([
    ['whose log is empty', ({ log }) => truncate(log, 0)],
    ['whose log is not ours', ({ log }) => writeFile(log, 'hello\n1 2\n')],
    ['whose log has no count', async ({ log }) => writeFile(log, `${(await readFile(log, 'utf8')).split('\n')[0]}\n`)],
    ['whose file is shorter than its log says', ({ piece }) => truncate(piece, MIB)]
  ])('goes when it is one %s', async (_, spoil) => {
    await using directory = await temporaryDirectory()
    await using opened = await reopen(directory.path, spoil)
    expect(await incoming(opened)).toEqual([])
    expect(opened.store.usage().suspendedBytes).toBe(0)
    expect((await writeUpTo(opened, SIZE_BYTES)).startBytes).toBe(0)
  })

  it('counts up to the last whole line of its log, wherever that was torn', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    await (await writeUpTo(opened, MIB)).writer.suspend()
    await (await writeUpTo(opened, 2 * MIB)).writer.suspend()
    const [name] = (await incoming(opened)).filter(entry => entry.endsWith('.upload'))
    const text = await readFile(join(opened.directory, 'incoming', name!), 'utf8')
    for (let size = 0; size <= text.length; size++) {
      const syncedBytes = parseUploadLog(text.slice(0, size))?.syncedBytes
      expect([undefined, MIB, 2 * MIB]).toContain(syncedBytes)
    }
    expect(parseUploadLog(text)).toMatchObject({ dealId: '7', sizeBytes: SIZE_BYTES, syncedBytes: 2 * MIB })
  })
})

it('an upload whose disk fills up leaves nothing, and can be begun again', async () => {
  await using directory = await temporaryDirectory()
  let full = false
  const files = failingFileSystem(({ operation, path }) =>
    full && operation === 'write' && path.endsWith('.piece') ? systemError('ENOSPC') : undefined
  )
  await using opened = await openTestStore(directory.path, { files })
  const { writer } = await writeUpTo(opened, MIB)
  full = true
  await expect(writer.write(BYTES.subarray(MIB, MIB + 10))).rejects.toMatchObject({ code: 'NO_SPACE' })
  expect(await incoming(opened)).toEqual([])
  full = false
  expect((await writeUpTo(opened, SIZE_BYTES)).startBytes).toBe(0)
})

it('bytes of many uploads at once go through shared memory that is bounded', async () => {
  await using directory = await temporaryDirectory()
  await using opened = await openTestStore(directory.path, { openIncoming: workers.open, capacityBytes: 1e9 })
  const uploads = Array.from({ length: 12 }, (_, seed) => randomBytes(100 + seed, 3 * MIB + seed))
  const pieces = await Promise.all(uploads.map(bytes => storePiece(opened.store, bytes, MIB)))
  for (const [i, { cid }] of pieces.entries()) {
    expect(cid.toString()).toBe(pieceCidOf(uploads[i]!))
    expect((await stat(join(opened.directory, cid.toString()))).size).toBe(uploads[i]!.length)
  }
})
