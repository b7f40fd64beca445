import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import {
  type BlockPart,
  createLeafParts,
  createRecentBlocks,
  type FetchBlocks,
  LEAF_PART_SIZE_BYTES,
  type ReadBytesOptions,
  readBytes,
  readContent
} from '../../src/content/index.ts'
import { CoreError } from '../../src/error.ts'
import { directory, fetcherOf, file, gather, packTree, symlink, text } from './memory-content.ts'

const MIB = 1024 * 1024
const BYTES = new Uint8Array(5 * MIB + 333).map((_, i) => (i * 31 + (i >> 8) * 7 + (i >> 17)) % 251)

async function open(entries: Parameters<typeof packTree>[0], options?: Parameters<typeof packTree>[1]) {
  const { packed, pieces } = await packTree(entries, options)
  const { fetchBlocks, batches } = fetcherOf(pieces.blocks())
  const read = async (wishes: Partial<ReadBytesOptions> = {}) =>
    new Uint8Array(Buffer.concat(await gather(readBytes({ root: packed.root, fetchBlocks, ...wishes }))))
  return {
    root: packed.root,
    read,
    fetchBlocks,
    batches,
    fetched: () => batches.reduce((sum, count) => sum + count, 0)
  }
}

describe('a range of a file', () => {
  it.each(['unixfs-v1-2025', 'unixfs-v0-2015'] as const)('%s: is what slice gives', async profile => {
    const { read } = await open([file('', BYTES)], { profile })
    const edge = fc.oneof(
      fc.nat(BYTES.length + 10),
      fc.constantFrom(0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB, BYTES.length - 1, BYTES.length)
    )
    await fc.assert(
      fc.asyncProperty(edge, fc.option(edge, { nil: undefined }), async (offset, length) => {
        const expected = BYTES.subarray(offset, length === undefined ? undefined : offset + length)
        expect(Buffer.compare(await read({ offset, length }), expected)).toBe(0)
      }),
      { numRuns: 30 }
    )
  })

  it('costs the nodes above it and the leaves that it touches', async () => {
    const { read, fetched } = await open([
      file(
        '',
        BYTES.map(byte => byte ^ 1)
      )
    ])
    await read({ offset: 2 * MIB, length: MIB })
    expect(fetched()).toBe(2)
    await read({ offset: 3 * MIB - 1, length: 2 })
    expect(fetched()).toBe(5)
    await read({ offset: 9 * MIB })
    expect(fetched()).toBe(6)
  })

  it('costs no block that was needed for another one and is remembered, and is a copy of it', async () => {
    const bytes = Uint8Array.from({ length: 4 * MIB }, (_, at) => (at * 11 + (at >> 20)) & 255)
    const { read, fetched, fetchBlocks } = await open([file('', bytes)])
    Object.assign(fetchBlocks, { recentBlocks: createRecentBlocks(2 * MIB + 4096) })
    const part = await read({ offset: 100, length: 50 })
    expect(fetched()).toBe(2)
    part.fill(0)
    expect(await read({ offset: 100, length: 90 })).toEqual(bytes.subarray(100, 190))
    expect(fetched()).toBe(2)
    expect(await read({ offset: MIB - 5, length: 10 })).toEqual(bytes.subarray(MIB - 5, MIB + 5))
    expect(fetched()).toBe(3)
    await expect(read({ offset: 100, length: 50, budget: { bytes: MIB } })).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED'
    })
    // There is room for two leaves.
    await read({ offset: 3 * MIB, length: 1 })
    expect(fetched()).toBe(4)
    await read({ offset: MIB + 7, length: 1 })
    await read({ offset: 3 * MIB, length: 2 })
    expect(fetched()).toBe(5)
  })

  interface PartsOptions {
    readonly recentSizeBytesMax?: number
    /** How parts come; at once when left out. */
    readonly comes?: 'piece by piece' | 'and breaks off'
  }

  /** A source that gives parts, and writes over the memory of what it gets back. */
  async function openWithParts(bytes: Uint8Array, options: PartsOptions = {}) {
    const opened = await open([file('', bytes)])
    const asked: number[] = []
    const released: number[] = []
    const fetchBlocks = Object.assign(
      async function* (...[cids, wishes]: Parameters<FetchBlocks>) {
        for await (const block of opened.fetchBlocks(cids, wishes)) {
          let { part } = wishes
          asked.push(part?.length ?? block.length)
          if (part === undefined) yield block.slice()
          while (part !== undefined) {
            const piece: BlockPart = options.comes === undefined ? part : part.beginning
            const sent = block.slice(piece.offset, piece.offset + piece.length)
            if (!(await piece.isRight(sent))) throw new CoreError('NO', 'not the part')
            yield sent
            if (options.comes === 'and breaks off') throw new CoreError('GONE', 'hung up')
            part = part.after(sent.length)
          }
        }
      },
      {
        leafParts: createLeafParts(),
        release: (block: Uint8Array) => released.push(block.fill(0xee).length),
        ...(options.recentSizeBytesMax !== undefined && {
          recentBlocks: createRecentBlocks(options.recentSizeBytesMax)
        })
      }
    )
    const read = async (offset: number, length: number) =>
      Buffer.concat(await gather(readBytes({ root: opened.root, fetchBlocks, offset, length })))
    return { ...opened, fetchBlocks, read, asked, released }
  }

  it('needs no more than its parts of a leaf that was read before, and gives its memory back', async () => {
    const bytes = Uint8Array.from({ length: 3 * MIB + 50_000 }, (_, at) => (at * 13 + (at >> 19)) & 255)
    const { read, asked, released } = await openWithParts(bytes)
    const at = MIB + 1000
    expect(Buffer.compare(await read(at, 65_536), bytes.subarray(at, at + 65_536))).toBe(0)
    expect(asked.splice(0).at(-1)).toBe(MIB)
    expect(released.splice(0)).toEqual([MIB])
    expect(Buffer.compare(await read(at + 7, 65_536), bytes.subarray(at + 7, at + 7 + 65_536))).toBe(0)
    expect(asked.splice(0).at(-1)).toBe(3 * LEAF_PART_SIZE_BYTES)
    expect(released.splice(0)).toEqual([])
    // The last part of the last leaf is shorter.
    const end = 3 * MIB + 49_990
    await read(end, 5)
    asked.splice(0)
    expect(Buffer.compare(await read(end, 100), bytes.subarray(end))).toBe(0)
    expect(asked.splice(0).at(-1)).toBe(50_000 - LEAF_PART_SIZE_BYTES)
  })

  it.each([
    ['where nothing else is remembered', {}],
    ['where two leaves are remembered', { recentSizeBytesMax: 2 * MIB }],
    ['where they come piece by piece', { comes: 'piece by piece' }],
    ['where they break off after the first piece', { comes: 'and breaks off' }]
  ] as const)('in parts is what slice gives, %s, whoever reads beside', async (_, options) => {
    const { read } = await openWithParts(BYTES, options)
    const range = fc.tuple(fc.nat(BYTES.length), fc.nat(MIB + 100_000))
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 4 }), async ranges => {
        const came = await Promise.all(ranges.map(([offset, length]) => read(offset, length)))
        for (const [index, [offset, length]] of ranges.entries())
          expect(Buffer.compare(came[index]!, BYTES.subarray(offset, offset + length))).toBe(0)
      }),
      { numRuns: 40 }
    )
  })

  it('of a leaf whose part breaks off is what came of it, and then the rest of the whole leaf', async () => {
    const bytes = Uint8Array.from({ length: 2 * MIB }, (_, at) => (at * 29 + (at >> 16)) & 255)
    const { root, read, fetchBlocks, asked } = await openWithParts(bytes, { comes: 'and breaks off' })
    await read(100, 50)
    asked.splice(0)
    const came = await gather(readBytes({ root, fetchBlocks, offset: 1000, length: 70_000 }))
    expect(came.map(({ length }) => length)).toEqual([LEAF_PART_SIZE_BYTES - 1000, 71_000 - LEAF_PART_SIZE_BYTES])
    expect(Buffer.compare(Buffer.concat(came), bytes.subarray(1000, 71_000))).toBe(0)
    expect(asked.slice(-2)).toEqual([3 * LEAF_PART_SIZE_BYTES, MIB])
  })

  it('is read whole by who comes back to it soon, and then asks nobody', async () => {
    const bytes = Uint8Array.from({ length: 3 * MIB }, (_, at) => (at * 11 + (at >> 17)) & 255)
    const { fetchBlocks, read, asked } = await openWithParts(bytes, { recentSizeBytesMax: 2 * MIB })
    // What a `put` leaves: the leaves were stored, and never read.
    for (let at = 0; at < bytes.length; at += MIB) {
      const leaf = bytes.subarray(at, at + MIB)
      await fetchBlocks.leafParts!.learn(CID.createV1(raw.code, await sha256.digest(leaf)), leaf)
    }
    const costs: (number | undefined)[] = []
    for (const at of [100, MIB + 100, 90_000, 200, MIB - 100]) {
      expect(Buffer.compare(await read(at, 50), bytes.subarray(at, at + 50))).toBe(0)
      costs.push(asked.splice(0).at(-1))
    }
    expect(costs.slice(1)).toEqual([LEAF_PART_SIZE_BYTES, MIB, undefined, undefined])
  })

  it('is never read whole again and again by who jumps about in more leaves than are remembered', async () => {
    const bytes = Uint8Array.from({ length: 12 * MIB }, (_, at) => (at * 23 + (at >> 20)) & 255)
    const { fetchBlocks, read, asked } = await openWithParts(bytes, { recentSizeBytesMax: 8 * MIB })
    for (let at = 0; at < bytes.length; at += MIB) {
      const leaf = bytes.subarray(at, at + MIB)
      await fetchBlocks.leafParts!.learn(CID.createV1(raw.code, await sha256.digest(leaf)), leaf)
    }
    // Brings the root; by the time that its turn comes, this leaf was not wanted for long.
    await read(bytes.length - 1, 1)
    asked.splice(0)
    for (let turn = 0; turn < 3; turn++)
      for (let at = 500; at < bytes.length; at += MIB)
        expect(Buffer.compare(await read(at, 50), bytes.subarray(at, at + 50))).toBe(0)
    expect(new Set(asked)).toEqual(new Set([LEAF_PART_SIZE_BYTES]))
  })

  it('is right also for who recalled a leaf that others made the client forget', async () => {
    const bytes = Uint8Array.from({ length: 4 * MIB }, (_, at) => (at * 19 + (at >> 18)) & 255)
    const { root, fetchBlocks, read } = await openWithParts(bytes, { recentSizeBytesMax: MIB + 4096 })
    await read(100, 50)
    const slow = readBytes({ root, fetchBlocks, offset: 100, length: 60 })
    expect(Buffer.compare((await slow.next()).value!, bytes.subarray(100, 160))).toBe(0)
    await read(2 * MIB, 50)
    // Until it was forgotten, and its memory given back.
    await new Promise(resolve => setTimeout(resolve, 20))
    await slow.next()
    for (const at of [100, 2 * MIB, 100, 300])
      expect(Buffer.compare(await read(at, 5000), bytes.subarray(at, at + 5000))).toBe(0)
  })

  it('is read whole where nobody gives the part, and never from a part that is not right', async () => {
    const bytes = Uint8Array.from({ length: 2 * MIB }, (_, at) => (at * 17 + (at >> 18)) & 255)
    const { root, fetchBlocks, read, asked } = await openWithParts(bytes)
    await read(100, 50)
    asked.splice(0)
    const lying = Object.assign(async function* (...[cids, wishes]: Parameters<FetchBlocks>) {
      for await (const block of fetchBlocks(cids, { ...wishes, part: undefined })) {
        const { part } = wishes
        const sent = part === undefined ? block : block.slice(part.offset, part.offset + part.length).fill(0)
        if (part !== undefined && !(await part.isRight(sent))) throw new CoreError('NO', 'not the part')
        yield sent
      }
    }, fetchBlocks)
    const came = Buffer.concat(await gather(readBytes({ root, fetchBlocks: lying, offset: 100, length: 60 })))
    expect(Buffer.compare(came, bytes.subarray(100, 160))).toBe(0)
    expect(asked.filter(size => size === MIB)).toHaveLength(2)
    const gone = new AbortController()
    gone.abort(new Error('enough'))
    await expect(gather(readBytes({ root, fetchBlocks, offset: 100, length: 1, signal: gone.signal }))).rejects.toThrow(
      'enough'
    )
  })

  it('in a directory, or of a file of one block, is remembered as well', async () => {
    for (const path of [['a', 'small'], []]) {
      const small = file(path.join('/'), BYTES.subarray(0, 5000))
      const { read, fetched, fetchBlocks } = await open(path.length === 0 ? [small] : [directory('a'), small])
      Object.assign(fetchBlocks, { recentBlocks: createRecentBlocks() })
      const part = await read({ path, offset: 10, length: 20 })
      expect(part).toEqual(BYTES.subarray(10, 30))
      part.fill(0)
      const before = fetched()
      expect(await read({ path, offset: 5, length: 20 })).toEqual(BYTES.subarray(5, 25))
      expect(fetched()).toBe(before)
    }
  })

  it('of which nothing is remembered costs its leaves each time', async () => {
    const { read, fetched } = await open([file('', BYTES)])
    await read({ offset: 100, length: 50 })
    await read({ offset: 100, length: 50 })
    expect(fetched()).toBe(4)
  })

  it('is one of two levels of nodes', async () => {
    const chunk = BYTES.slice(0, 300)
    const many = Array.from({ length: 200 }, (_, i) =>
      Uint8Array.from({ length: 262_144 }, (_, at) => (at * 7 + i) & 255)
    )
    const { read, fetched } = await open([file('', ...many, chunk)], { profile: 'unixfs-v0-2015' })
    const at = 180 * 262_144 + 5
    expect(await read({ offset: at, length: 10 })).toEqual(many[180]!.slice(5, 15))
    expect(fetched()).toBe(3)
    expect(await read({ offset: 200 * 262_144 })).toEqual(chunk)
  })

  it('costs its leaves alone, where the file was read not long ago', async () => {
    const leaves = Array.from({ length: 80 }, (_, i) => new Uint8Array(262_144).fill(i + 100))
    const { read, fetched } = await open([file('', ...leaves)], { profile: 'unixfs-v0-2015' })
    await read({ offset: 0, length: 1 })
    expect(fetched()).toBe(2)
    expect(await read({ offset: 79 * 262_144, length: 3 })).toEqual(Uint8Array.of(179, 179, 179))
    expect(fetched()).toBe(3)
    await expect(read({ offset: 0, length: 1, budget: { blocks: 1 } })).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED'
    })
  })

  it('is for numbers of bytes', async () => {
    const { read } = await open([file('', BYTES)])
    for (const range of [{ offset: -1 }, { offset: 0.5 }, { length: -1 }, { length: Number.NaN }])
      await expect(read(range)).rejects.toThrow(RangeError)
  })

  it('is read through an entry of a tree as well', async () => {
    const { root, fetchBlocks } = await open([file('a', text('a')), file('b', BYTES)])
    for await (const entry of readContent({ root, fetchBlocks })) {
      if (entry.kind !== 'file' || entry.path[0] !== 'b') continue
      expect(Buffer.concat(await gather(entry.content({ offset: MIB - 2, length: 4 })))).toEqual(
        Buffer.from(BYTES.subarray(MIB - 2, MIB + 2))
      )
    }
  })
})

describe('a path', () => {
  const tree = [directory('d'), file('d/e/f', text('deep')), symlink('l', 'd'), file('z', text('last'))]

  it('leads to a file, and to nothing beside it', async () => {
    const { read, fetched } = await open(tree)
    expect(await read({ path: ['d', 'e', 'f'] })).toEqual(text('deep'))
    expect(fetched()).toBe(4)
    expect(await read({ path: ['z'], offset: 1, length: 2 })).toEqual(text('as'))
  })

  it.each([
    [['nothing'], 'PATH_NOT_FOUND', /no "nothing"/],
    [['z', 'below'], 'PATH_NOT_FOUND', /no "z\/below"/],
    [['d', 'e'], 'NOT_A_FILE', /"d\/e" is a directory/],
    [['l'], 'NOT_A_FILE', /symbolic link/],
    [[], 'NOT_A_FILE', /this object is a directory/],
    [['\u001b[2J'], 'PATH_NOT_FOUND', /no "\\u001b\[2J"/]
  ] as Array<[string[], string, RegExp]>)('%j that is no file is said to be none', async (path, code, message) => {
    const { read } = await open(tree)
    await expect(read({ path })).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('leads through shards', async () => {
    const names = Array.from({ length: 6000 }, (_, i) => `${String(i).padStart(5, '0')}-${'n'.repeat(40)}`)
    const { read, fetched, batches } = await open(names.map(name => file(name, text(name))))
    for (const name of [names[0]!, names[4711]!, names.at(-1)!])
      expect(await read({ path: [name] })).toEqual(text(name))
    await expect(read({ path: ['00000'] })).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
    expect(fetched()).toBeLessThan(4 * 600)
    expect(batches.length).toBeLessThan(100)
  })

  it('spends the budget', async () => {
    const { read } = await open(tree)
    await expect(read({ path: ['d', 'e', 'f'], budget: { depth: 2 } })).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED'
    })
    await expect(read({ path: ['d', 'e', 'f'], budget: { blocks: 3 } })).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED'
    })
  })
})
