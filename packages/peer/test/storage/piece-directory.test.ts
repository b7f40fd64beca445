import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { aboveFloor, chooseDirectory } from '../../src/storage/piece-directory.ts'
import { collect } from '../collect.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestStore, openWriter, randomBytes, storePiece } from './open-test-store.ts'

describe('of several directories', () => {
  const room = (quotaBytes: number, diskBytes: number) => ({ quotaBytes, diskBytes })

  it.each([
    ['the one with the most room', [room(5, 9), room(9, 7), room(9, 6)], 3, { ok: true, at: 1 }],
    ['the first of equals', [room(5, 5), room(5, 5)], 5, { ok: true, at: 0 }],
    ['none, because the quota is used up', [room(4, 9), room(2, 9)], 5, { ok: false, limit: 'quota', freeBytes: 4 }],
    ['none, because the disks are full', [room(9, 4), room(9, 1)], 5, { ok: false, limit: 'disk', freeBytes: 4 }],
    ['none, below the floor', [room(9, -4)], 1, { ok: false, limit: 'disk', freeBytes: 0 }],
    ['none, where there is none', [], 1, { ok: false, limit: 'quota', freeBytes: 0 }]
  ])('%s takes a piece', (_, rooms, neededBytes, choice) => {
    expect(chooseDirectory(rooms, neededBytes)).toEqual(choice)
  })

  it('a small disk keeps 5 % free and a large one 2 GiB', () => {
    const floor = { bytes: 2 * 1024 ** 3, permille: 50 }
    expect(aboveFloor({ bavail: 1000, blocks: 1000, bsize: 1000 }, floor)).toBe(950_000)
    expect(aboveFloor({ bavail: 1e9, blocks: 1e9, bsize: 4096 }, floor)).toBe(1e9 * 4096 - 2 * 1024 ** 3)
  })
})

describe('a store over two more directories', () => {
  const directoriesIn = (path: string) => [
    { path: join(path, 'a'), capacityBytes: 25_000 },
    { path: join(path, 'b'), capacityBytes: 60_000 }
  ]
  const piecesIn = async (path: string) => (await readdir(path)).filter(name => /^bafkz[a-z2-7]+$/.test(name))

  it('spreads pieces by room, keeps to each limit, and finds them again', async () => {
    await using directory = await temporaryDirectory()
    const directories = directoriesIn(directory.path)
    const cids = []
    {
      await using opened = await openTestStore(directory.path, { directories })
      for (let seed = 0; seed < 8; seed++) cids.push((await storePiece(opened.store, randomBytes(seed, 9000))).cid)
      expect(await opened.store.receive({ sizeBytes: 9000 })).toMatchObject({ ok: false, limit: 'quota' })
      expect(await piecesIn(opened.directory)).toEqual([])
      expect(await piecesIn(directories[0]!.path)).toHaveLength(2)
      expect(await piecesIn(directories[1]!.path)).toHaveLength(6)
    }
    await using opened = await openTestStore(directory.path, { directories })
    expect(opened.events).toEqual([])
    for (const [seed, cid] of cids.entries()) {
      expect(Buffer.from(await opened.store.read(cid, 0, 9000)).equals(randomBytes(seed, 9000))).toBe(true)
      await opened.store.layer(cid)
      await opened.store.remove(cid)
    }
    expect(opened.store.usage().usedBytes).toBe(0)
  })

  it('shares one limit over all', async () => {
    await using directory = await temporaryDirectory()
    const directories = [{ path: join(directory.path, 'a') }, { path: join(directory.path, 'b') }]
    await using opened = await openTestStore(directory.path, { directories, capacityBytes: 20_000 })
    await storePiece(opened.store, randomBytes(1, 9000))
    await storePiece(opened.store, randomBytes(2, 9000))
    expect(await opened.store.receive({ sizeBytes: 9000 })).toMatchObject({ ok: false, limit: 'quota' })
  })

  it('will not start without a disk that holds pieces, and loses none of them for it', async () => {
    await using directory = await temporaryDirectory()
    const directories = directoriesIn(directory.path)
    const [, b] = directories
    {
      await using opened = await openTestStore(directory.path, { directories })
      await storePiece(opened.store, randomBytes(1, 9000))
    }
    await rename(b!.path, `${b!.path}-unmounted`)
    await mkdir(b!.path)
    await expect(openTestStore(directory.path, { directories })).rejects.toMatchObject({
      code: 'PIECES_DIRECTORY_GONE'
    })
    await rm(b!.path, { recursive: true })
    await rename(`${b!.path}-unmounted`, b!.path)
    await using opened = await openTestStore(directory.path, { directories })
    expect(opened.events).toEqual([])
  })

  it('follows a piece that somebody moved, and keeps one of two copies', async () => {
    await using directory = await temporaryDirectory()
    const directories = directoriesIn(directory.path)
    const [a, b] = directories.map(({ path }) => path) as [string, string]
    let piece = ''
    {
      await using opened = await openTestStore(directory.path, { directories })
      const { cid } = await storePiece(opened.store, randomBytes(1, 9000))
      piece = cid.toString()
      await opened.store.keep(cid, '7')
    }
    await rename(join(b, piece), join(a, piece))
    {
      await using opened = await openTestStore(directory.path, { directories })
      const [found] = await collect(opened.store.list())
      expect(found).toMatchObject({ deals: ['7'] })
      expect(Buffer.from(await opened.store.read(found!.cid, 0, 9000)).equals(randomBytes(1, 9000))).toBe(true)
    }
    await copyFile(join(a, piece), join(b, piece))
    await using opened = await openTestStore(directory.path, { directories })
    expect(opened.events).toContainEqual({ type: 'copy-removed', piece, directory: b })
    expect(await piecesIn(a)).toEqual([piece])
    expect(await piecesIn(b)).toEqual([])
  })

  it('mends a piece in another directory and leaves one copy', async () => {
    await using directory = await temporaryDirectory()
    const bytes = randomBytes(1, 9000)
    {
      await using opened = await openTestStore(directory.path)
      await opened.store.keep((await storePiece(opened.store, bytes)).cid, '7')
    }
    await using opened = await openTestStore(directory.path, { directories: directoriesIn(directory.path) })
    const { cid } = await storePiece(opened.store, bytes)
    expect(await piecesIn(opened.directory)).toEqual([])
    expect(await opened.store.get(cid)).toMatchObject({ deals: ['7'] })
    expect(await opened.store.check(cid)).toEqual({ ok: true })
  })
})

it('uploads that broke off are gone on with in their own directory', async () => {
  await using directory = await temporaryDirectory()
  const directories = [{ path: join(directory.path, 'a') }]
  await using opened = await openTestStore(directory.path, { directories })
  const request = { sizeBytes: 9000, dealId: '1', uploadId: '00'.repeat(16) }
  const writer = await openWriter(opened.store, request)
  await writer.write(randomBytes(1, 5000))
  await writer.suspend()
  const again = await openWriter(opened.store, request)
  expect(again.positionBytes).toBe(5000)
  await again.write(randomBytes(1, 9000).subarray(5000))
  await again.commit()
})
