import { chmod, mkdir, open, rm, symlink, writeFile } from 'node:fs/promises'
import { createCarScanner, packContent, readContent } from '@holdfast/core'
import { portableNodeHasher } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { beforeEach, describe, expect, it } from 'vitest'
import { compareTrees, readTree, writeTree } from '../../src/files/index.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const MIB = 1024 * 1024
const path = temporaryDirectory()

beforeEach(async () => {
  await mkdir(path('a/d/e'), { recursive: true })
  await writeFile(
    path('a/d/e/large'),
    Uint8Array.from({ length: 3 * MIB + 1 }, (_, i) => (i * 13 + (i >> 9)) & 0xff)
  )
  await writeFile(path('a/d/small'), 'small')
  await writeFile(path('a/empty'), '')
  await symlink('d/small', path('a/link'))
})

async function storeAndRestore(from: string, to: string): Promise<void> {
  const blocks = new Map<string, Uint8Array>()
  const packed = await packContent({
    source: readTree(from),
    nodeHasher: portableNodeHasher,
    openPiece: async () => {
      const chunks: Uint8Array[] = []
      const close = async () => {
        const bytes = new Uint8Array(Buffer.concat(chunks))
        const scanner = createCarScanner({
          onBlock: ({ cid, offset, length }) => blocks.set(cid.toString(), bytes.subarray(offset, offset + length))
        })
        expect(scanner.update(bytes)).toEqual({ ok: true })
      }
      return { write: async bytes => void chunks.push(bytes), close, discard: async () => {} }
    }
  })
  const fetchBlocks = async function* (cids: readonly CID[]) {
    for (const cid of cids) yield blocks.get(cid.toString())!
  }
  await writeTree(to, readContent({ root: packed.root, fetchBlocks }))
}

describe('a tree that is packed, read and written', () => {
  it('is the same tree', async () => {
    await storeAndRestore(path('a'), path('b'))
    expect(await compareTrees(path('a'), path('b'))).toEqual({ equal: true, files: 3, bytes: 3 * MIB + 6 })
  })

  it('is the same file', async () => {
    await storeAndRestore(path('a/d/e/large'), path('b'))
    expect(await compareTrees(path('a/d/e/large'), path('b'))).toEqual({ equal: true, files: 1, bytes: 3 * MIB + 1 })
  })
})

describe('compareTrees', () => {
  const changes: Array<[string, () => Promise<unknown>, RegExp]> = [
    ['one byte', () => patch(2 * MIB + 3), /"d\/e\/large" differs within the \d+ bytes at 2097152/],
    ['one byte more', () => writeFile(path('b/d/small'), 'small!'), /"d\/small" is longer in one tree, after 5/],
    ['a file more', () => writeFile(path('b/d/more'), ''), /"d\/more" is in one tree only/],
    ['a file more at the end', () => writeFile(path('b/z'), ''), /only .*b holds "z"/],
    ['a directory for a file', () => mkdir(path('b/d/small')), /"d\/small" is a file in one tree and a directory/],
    ['another target', () => symlink('d', path('b/link')), /"link" leads to "d\/small" in one tree and to "d"/]
  ]
  it.each(changes)('finds %s', async (what, change, difference) => {
    await storeAndRestore(path('a'), path('b'))
    if (what === 'a directory for a file') await rm(path('b/d/small'))
    if (what === 'another target') await rm(path('b/link'))
    await change()
    expect(await compareTrees(path('a'), path('b'))).toEqual({
      equal: false,
      difference: expect.stringMatching(difference)
    })
    expect(await compareTrees(path('b'), path('a'))).toMatchObject({ equal: false })
  })

  it('looks at content only, not at modes', async () => {
    await storeAndRestore(path('a'), path('b'))
    await chmod(path('b/d/small'), 0o755)
    expect(await compareTrees(path('a'), path('b'))).toMatchObject({ equal: true })
  })

  it('leaves what is ignored out of both', async () => {
    await storeAndRestore(path('a'), path('b'))
    await writeFile(path('b/extra'), 'x')
    const ignore = (name: string) => name === 'extra' || name === 'd'
    expect(await compareTrees(path('a'), path('b'), { ignore })).toEqual({ equal: true, files: 1, bytes: 0 })
  })

  async function patch(offset: number): Promise<void> {
    await using file = await open(path('b/d/e/large'), 'r+')
    await file.write(Buffer.of(0xee), 0, 1, offset)
  }
})
