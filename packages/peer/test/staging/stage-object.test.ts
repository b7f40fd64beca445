import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatReference, portablePieceCiphers, SENT_CHUNKS_KEPT, type StorableObject } from '@holdfast/core'
import { portableNodeHasher } from '@holdfast/proofs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DiskSource, type StageOptions, stageObject } from '../../src/staging/stage-object.ts'
import { sweepStagingDirectories } from '../../src/staging/staging-directory.ts'
import { readJournal, writeJournal } from '../../src/staging/staging-journal.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

let life = new AsyncDisposableStack()
let directory: string
let parent: string
let tree: string
let drawn: number
beforeEach(async () => {
  directory = life.use(await temporaryDirectory()).path
  parent = join(directory, 'staging')
  tree = join(directory, 'tree')
  await mkdir(join(tree, 'below'), { recursive: true })
  await writeFile(join(tree, 'a'), 'first')
  await writeFile(join(tree, 'below', 'b'), 'second')
  drawn = 0
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

function stage(source: DiskSource = tree, options: Partial<StageOptions> = {}) {
  const random = (sizeBytes: number) => new Uint8Array(sizeBytes).fill(++drawn)
  const components = { nodeHasher: portableNodeHasher, ciphers: portablePieceCiphers, random }
  return stageObject(source, components, { stagingDirectory: parent, ...options })
}

const listed = () => readdir(parent).catch(() => [])

async function bytesOf(object: StorableObject, replica = 0, offset = 0): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of object.replica(replica)[0]!.read(offset)) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}

/** Leaves a staged object as a process does that was killed. */
async function abandon(): Promise<string> {
  const path = join(parent, (await listed())[0]!)
  const journal = await readJournal(path)
  await writeJournal(path, { ...journal!, pid: 2 ** 22 + 1 })
  return path
}

/** A disk of two MiB, for those who may mount one. */
function mountSmallDisk(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path], { stdio: 'ignore' })
    life.defer(() => void execFileSync('umount', [path]))
    return true
  } catch {
    return false
  }
}

describe('an object that is staged', () => {
  it('is private unless it is said to be public, and gone with its store', async () => {
    const object = await stage()
    expect(object.reference).toMatchObject({ layout: 'distinct', pieceCount: 1 })
    expect(await listed()).toHaveLength(1)
    await object[Symbol.asyncDispose]()
    expect(await listed()).toEqual([])
    await using open = await stage(tree, { encrypt: false })
    expect(open.reference).toBeUndefined()
    expect(open.root.toString()).toBe(object.root.toString())
  })

  it('is for the eyes of its owner', async () => {
    await using object = await stage()
    expect(object.pieces).toHaveLength(1)
    const path = join(parent, (await listed())[0]!)
    expect((await stat(path)).mode & 0o077).toBe(0)
    for (const name of await readdir(path)) expect((await stat(join(path, name))).mode & 0o077).toBe(0)
  })

  it('has other bytes and labels in every replica, from any offset on', async () => {
    await using object = await stage()
    const [first, second] = [await bytesOf(object, 0), await bytesOf(object, 1)]
    expect(first).not.toEqual(second)
    expect(await bytesOf(object, 1, 77)).toEqual(second.subarray(77))
    const labels = [0, 1, 2].map(index => object.replica(index)[0]!.label.join())
    expect(new Set(labels).size).toBe(3)
    const cids = await Promise.all([0, 1, 2, 3].map(index => object.replica(index)[0]!.commit()))
    expect(new Set(cids.map(String)).size).toBe(4)
    expect(object.pieces[0]!.cids.map(String)).toEqual(cids.slice(0, 3).map(String))
  })

  it('leaves nothing when packing fails', async () => {
    await expect(stage(join(directory, 'nothing'))).rejects.toMatchObject({ code: 'PATH_MISSING' })
    await expect(stage(tree, { signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early')
    expect(await listed()).toEqual([])
  })

  it('leaves nothing when it is aborted on the way', async () => {
    const leaving = new AbortController()
    const onPackProgress = () => leaving.abort(new Error('enough'))
    await expect(stage(tree, { signal: leaving.signal, onPackProgress })).rejects.toThrow('enough')
    expect(await listed()).toEqual([])
  })

  it('says what to do where there is no place for its pieces', async () => {
    const stagingDirectory = join(tree, 'a', 'below a file')
    await expect(stage(tree, { stagingDirectory })).rejects.toMatchObject({
      code: 'STAGING_FAILED',
      message: expect.stringMatching(/cannot be written \(ENOTDIR\).*--state/)
    })
  })

  it('says what to do when the disk is full, and leaves it as it was', async context => {
    await mkdir(parent)
    if (!mountSmallDisk(parent)) context.skip('mounting a small disk needs root')
    await writeFile(join(tree, 'large'), randomBytes(4 * 1024 * 1024))
    await expect(stage(tree)).rejects.toMatchObject({
      code: 'STAGING_FAILED',
      message: expect.stringMatching(/is full.*--state/)
    })
    expect(await listed()).toEqual([])
  })

  it('comes from a CAR file too', async () => {
    await writeFile(join(directory, 'no.car'), 'no CAR')
    await expect(stage({ carFile: join(directory, 'no.car') })).rejects.toMatchObject({ code: 'CAR_INVALID' })
  })
})

describe('what a killed store has staged', () => {
  it('is taken up for the same source, under the same secret', async () => {
    const before = await stage()
    const bytes = await bytesOf(before, 1)
    await abandon()
    await using again = await stage()
    expect(again.isResumed).toBe(true)
    expect(formatReference(again.reference!)).toBe(formatReference(before.reference!))
    expect(await bytesOf(again, 1)).toEqual(bytes)
    expect((await again.replica(1)[0]!.commit()).toString()).toBe(before.pieces[0]!.cids[1]!.toString())
    expect(await listed()).toHaveLength(1)
  })

  it('is taken up after it was left', async () => {
    const before = await stage()
    await before.leave()
    await before[Symbol.asyncDispose]()
    await using again = await stage()
    expect(again.isResumed).toBe(true)
  })

  it.each<[string, () => Promise<unknown>, Partial<StageOptions>]>([
    ['a file was written to', () => writeFile(join(tree, 'a'), 'other'), {}],
    ['a file was renamed', () => rename(join(tree, 'a'), join(tree, 'c')), {}],
    ['it is to be packed in another way', async () => undefined, { profile: 'unixfs-v0-2015' }],
    ['more of it is left out', async () => undefined, { ignore: path => path === 'a' }]
  ])('is not taken up when %s: another secret', async (_, change, options) => {
    const before = await stage()
    await abandon()
    await change()
    await using again = await stage(tree, options)
    expect(again.isResumed).toBe(false)
    expect(again.reference!.secret).not.toEqual(before.reference!.secret)
  })

  const CONTENT = randomBytes(300_000)
  it.each<[string, () => DiskSource | Promise<DiskSource>]>([
    ['bytes', () => CONTENT.slice()],
    ['a Blob', () => new Blob([CONTENT])],
    ['a stream', () => new Blob([CONTENT]).stream()],
    [
      'a path that was written again',
      async () => {
        await writeFile(join(tree, 'a'), CONTENT)
        await utimes(join(tree, 'a'), 1, Math.random())
        return join(tree, 'a')
      }
    ]
  ])('is taken up for the same content that comes as %s', async (_, sourceOf) => {
    const before = await stage(await sourceOf())
    const bytes = await bytesOf(before, 1)
    await abandon()
    await using again = await stage(await sourceOf())
    expect(again.isResumed).toBe(true)
    expect(formatReference(again.reference!)).toBe(formatReference(before.reference!))
    expect(await bytesOf(again, 1)).toEqual(bytes)
    expect(await listed()).toHaveLength(1)
  })

  it('is not taken up for the same content that is to have another secret or layout', async () => {
    const before = await stage(CONTENT)
    await abandon()
    await using given = await stage(CONTENT, { secret: new Uint8Array(32).fill(200) })
    expect(given.isResumed).toBe(false)
    await using identical = await stage(CONTENT, { layout: 'identical' })
    expect(identical.isResumed).toBe(false)
    await using open = await stage(CONTENT, { encrypt: false })
    expect(open.root.toString()).toBe(before.root.toString())
    expect(await listed()).toHaveLength(4)
  })

  it('is not taken up when its bytes are damaged', async () => {
    await stage()
    const path = await abandon()
    const piece = join(path, '0.piece')
    const bytes = await readFile(piece)
    bytes[100]! ^= 1
    await writeFile(piece, bytes)
    await using again = await stage()
    expect(again.isResumed).toBe(false)
    expect(await listed()).toHaveLength(1)
  })

  it('is not taken from a process that runs', async () => {
    await using first = await stage()
    await using second = await stage()
    expect([first.isResumed, second.isResumed]).toEqual([false, false])
    expect(await listed()).toHaveLength(2)
  })

  it('is taken by one of two', async () => {
    const before = await stage()
    await before.leave()
    const both = await Promise.all([stage(), stage()])
    expect(both.filter(({ isResumed }) => isResumed)).toHaveLength(1)
    for (const one of both) await one[Symbol.asyncDispose]()
    expect(await listed()).toEqual([])
  })

  it('is swept when it is public, unfinished, or old, and nothing else is', async () => {
    await stage(tree, { encrypt: false })
    await abandon()
    await sweepStagingDirectories(parent, Date.now())
    expect(await listed()).toEqual([])
    await stage()
    const path = await abandon()
    await mkdir(join(parent, 'mine'))
    await sweepStagingDirectories(parent, Date.now() + 13 * 86_400_000)
    expect(await listed()).toHaveLength(2)
    const journal = await readJournal(path)
    await sweepStagingDirectories(parent, Date.now() + 15 * 86_400_000)
    expect(await listed()).toEqual(['mine'])
    await mkdir(path)
    await writeJournal(path, { ...journal!, object: undefined })
    await sweepStagingDirectories(parent, Date.now())
    expect(await listed()).toEqual(['mine'])
  })
})

it('gives a staged piece in chunks that stay until four more are asked for, and uses their memory again', async () => {
  const bytes = randomBytes(9 * 1024 * 1024 + 5)
  await using object = await stage(bytes, { encrypt: false })
  const [piece] = object.replica(0)
  const held: { chunk: Uint8Array; copy: Uint8Array }[] = []
  const buffers = new Set<ArrayBufferLike>()
  let sizeBytes = 0
  for await (const chunk of piece!.read(0)) {
    for (const { chunk: earlier, copy } of held) expect(Buffer.compare(earlier, copy)).toBe(0)
    held.push({ chunk, copy: chunk.slice() })
    if (held.length === SENT_CHUNKS_KEPT) held.shift()
    buffers.add(chunk.buffer)
    sizeBytes += chunk.length
  }
  expect(sizeBytes).toBe(piece!.rawSize)
  // One of them is read ahead.
  expect(buffers.size).toBe(SENT_CHUNKS_KEPT + 1)
})
