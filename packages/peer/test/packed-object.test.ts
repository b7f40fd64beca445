import { execFileSync } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createPieceHasher, leafCountOf } from '@holdfast/proofs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { packPath } from '../src/packed-object.ts'
import { nodeHasher, randomBytes } from './storage/open-test-store.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const MIB = 1024 * 1024

let life = new AsyncDisposableStack()
let source: string
let stagingDirectory: string
beforeEach(async () => {
  const { path } = life.use(await temporaryDirectory())
  source = join(path, 'source')
  stagingDirectory = join(path, 'staging')
  await mkdir(join(source, 'sub'), { recursive: true })
  await mkdir(stagingDirectory)
  await writeFile(join(source, 'a.bin'), randomBytes(1, 3 * MIB))
  await writeFile(join(source, 'sub', 'b.txt'), 'hello')
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(Uint8Array.from(chunk))
  return Buffer.concat(parts)
}

it('waits on disk as the pieces it names, and is gone when it is disposed of', async () => {
  {
    await using object = await packPath(source, { nodeHasher }, { stagingDirectory })
    expect(object).toMatchObject({ fileCount: 2, contentSizeBytes: 3 * MIB + 5 })
    const [piece] = object.pieces
    const bytes = await bytesOf(object.replica(0)[0]!.read(0))
    expect(bytes).toHaveLength(piece!.rawSize)
    const hasher = createPieceHasher({ nodeHasher })
    hasher.update(bytes)
    expect(hasher.digest().cid.toString()).toBe(piece!.cid.toString())
    expect(piece!.leafCount).toBe(leafCountOf(bytes.length))
    // From any offset on, as often as it takes.
    for (const offset of [1, MIB, bytes.length - 1, bytes.length])
      expect(Buffer.compare(await bytesOf(object.replica(0)[0]!.read(offset)), bytes.subarray(offset))).toBe(0)
    expect(await readdir(stagingDirectory)).toHaveLength(1)
  }
  expect(await readdir(stagingDirectory)).toEqual([])
})

it('leaves out what is to be ignored', async () => {
  await using object = await packPath(source, { nodeHasher }, { stagingDirectory, ignore: path => path === 'a.bin' })
  expect(object).toMatchObject({ fileCount: 1, contentSizeBytes: 5 })
})

it.each([
  ['is missing', 'nowhere', 'PATH_MISSING'],
  ['is an empty directory', 'empty', 'NOTHING_TO_STORE']
])('a path that %s leaves nothing behind', async (_, name, code) => {
  await mkdir(join(source, 'empty'))
  await expect(packPath(join(source, name), { nodeHasher }, { stagingDirectory })).rejects.toMatchObject({ code })
  expect(await readdir(stagingDirectory)).toEqual([])
})

it('an abort leaves nothing behind', async () => {
  const leaving = new AbortController()
  const packing = packPath(
    source,
    { nodeHasher },
    {
      stagingDirectory,
      signal: leaving.signal,
      onPackProgress: () => leaving.abort(new Error('enough'))
    }
  )
  await expect(packing).rejects.toThrow('enough')
  expect(await readdir(stagingDirectory)).toEqual([])
})

it('a directory for the pieces that is not there is named, with what to do', async () => {
  const nowhere = join(stagingDirectory, 'nowhere')
  await expect(packPath(source, { nodeHasher }, { stagingDirectory: nowhere })).rejects.toMatchObject({
    code: 'STAGING_FAILED',
    message: expect.stringMatching(/nowhere cannot be written \(ENOENT\).*TMPDIR/),
    details: { path: nowhere }
  })
})

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

it('a disk that is full is named, with what to do, and left as it was', async context => {
  if (!mountSmallDisk(stagingDirectory)) context.skip('mounting a small disk needs root')
  await expect(packPath(source, { nodeHasher }, { stagingDirectory })).rejects.toMatchObject({
    code: 'STAGING_FAILED',
    message: expect.stringMatching(/is full.*TMPDIR/)
  })
  expect(await readdir(stagingDirectory)).toEqual([])
})
