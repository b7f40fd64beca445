import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import {
  type ContentEntry,
  READ_AHEAD_BLOCKS,
  type ReadOptions,
  readContent,
  type UnixfsProfile
} from '../../src/content/index.ts'
import { Blocks } from './hostile-blocks.ts'
import { collect, directory, fetcherOf, file, gather, packTree, symlink, text } from './memory-content.ts'

const KIB = 1024
const MIB = 1024 * KIB

function read(blocks: ReadonlyMap<string, Uint8Array>, root: CID, options: Partial<ReadOptions> = {}) {
  return readContent({ root, fetchBlocks: fetcherOf(blocks).fetchBlocks, ...options })
}

const noise = (size: number, seed: number) =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed + (i >> 8) * 7) & 0xff)

describe('readContent', () => {
  const tree = () => [
    directory('empty'),
    file('large', noise(3 * MIB + 17, 1)),
    file('nested/deep/er/small', text('small')),
    symlink('nested/link', 'deep/er/small'),
    file('nothing'),
    file('zeros', new Uint8Array(5 * MIB))
  ]

  it.each<UnixfsProfile>(['unixfs-v1-2025', 'unixfs-v0-2015'])('%s: yields what was packed', async profile => {
    const { packed, pieces } = await packTree(tree(), { profile })
    const read_ = await collect(read(pieces.blocks(), packed.root))
    expect(read_.map(({ path, kind }) => `${kind} ${path}`)).toEqual([
      'directory ',
      'directory empty',
      'file large',
      'directory nested',
      'directory nested/deep',
      'directory nested/deep/er',
      'file nested/deep/er/small',
      'symlink nested/link',
      'file nothing',
      'file zeros'
    ])
    const at = (path: string) => read_.find(entry => entry.path === path)
    expect(at('large')?.content).toBe(Buffer.from(noise(3 * MIB + 17, 1)).toString('hex'))
    expect(at('zeros')?.content).toBe('00'.repeat(5 * MIB))
    expect(at('nothing')?.content).toBe('')
    expect(at('nested/link')?.target).toBe('deep/er/small')
  })

  it.each<UnixfsProfile>(['unixfs-v1-2025', 'unixfs-v0-2015'])(
    '%s: yields one file with an empty path',
    async profile => {
      const { packed, pieces } = await packTree([file('', text('alone'))], { profile })
      expect(await collect(read(pieces.blocks(), packed.root))).toEqual([
        { path: '', kind: 'file', content: Buffer.from('alone').toString('hex') }
      ])
    }
  )

  it('walks a sharded directory and finds every entry once', async () => {
    const names = Array.from({ length: 7000 }, (_, i) => `entry-${String(i).padStart(20, '0')}`)
    const { packed, pieces } = await packTree(names.map((name, i) => file(name, text(`${i % 3}`))))
    const entries = await collect(read(pieces.blocks(), packed.root))
    expect(entries.slice(1).map(entry => entry.path)).toEqual(names)
  })

  it('asks for many leaves at once, and for no more than the read-ahead allows', async () => {
    const bytes = noise(80 * 256 * KIB, 3).map((byte, i) => (i % (256 * KIB) === 0 ? i / (256 * KIB) : byte))
    const { packed, pieces } = await packTree([file('', bytes)], { profile: 'unixfs-v0-2015' })
    const { fetchBlocks, batches } = fetcherOf(pieces.blocks())
    const [entry] = await collect(readContent({ root: packed.root, fetchBlocks }))
    expect(entry?.content).toBe(Buffer.from(bytes).toString('hex'))
    expect(batches).toEqual([1, READ_AHEAD_BLOCKS, 48])
  })

  it('reads a file of three levels in order', async () => {
    const blocks = new Blocks()
    const leaves = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const bytes = noise(100 + i, i)
        return { bytes, cid: await blocks.add(bytes, raw.code), claim: BigInt(bytes.length) }
      })
    )
    const middle: Array<{ cid: CID; claim: bigint }> = []
    for (let i = 0; i < 60; i += 4) {
      const group = leaves.slice(i, i + 4)
      middle.push({ cid: await blocks.fileOf(group), claim: group.reduce((sum, { claim }) => sum + claim, 0n) })
    }
    const [entry] = await collect(read(blocks, await blocks.fileOf(middle)))
    expect(entry?.content).toBe(Buffer.concat(leaves.map(({ bytes }) => bytes)).toString('hex'))
  })

  it('answers identity CIDs without asking anyone', async () => {
    const blocks = new Blocks()
    const inline = CID.createV1(raw.code, identity.digest(text('inline')))
    const root = await blocks.directory({ a: inline })
    const { fetchBlocks, batches } = fetcherOf(blocks)
    expect(await collect(readContent({ root, fetchBlocks }))).toMatchObject([{}, { path: 'a', kind: 'file' }])
    expect(batches).toEqual([1])
  })

  it('lets content be read after the walk, twice, and not at all', async () => {
    const { packed, pieces } = await packTree([file('a', noise(2 * MIB, 1)), file('b', noise(2 * MIB, 2))])
    const entries = await gather(read(pieces.blocks(), packed.root))
    const b = entries[2] as ContentEntry & { kind: 'file' }
    for (const _ of [1, 2]) expect(Buffer.concat(await gather(b.content()))).toEqual(Buffer.from(noise(2 * MIB, 2)))
    expect(b.sizeBytes).toBe(BigInt(2 * MIB))
  })
})

describe('readContent, of blocks that are not what they should be', () => {
  it('refuses a changed byte before it decodes anything', async () => {
    const { packed, pieces } = await packTree([file('a', noise(2 * MIB, 1))])
    for (const [cid, bytes] of pieces.blocks()) {
      const blocks = new Map(pieces.blocks())
      const changed = Uint8Array.from(bytes)
      changed[0]! ^= 1
      blocks.set(cid, changed)
      await expect(collect(read(blocks, packed.root)), cid).rejects.toMatchObject({
        code: 'WRONG_BLOCK',
        details: { cid, reason: 'digest-mismatch' }
      })
    }
  })

  it('says which block is missing', async () => {
    const { packed, pieces } = await packTree([file('a', noise(2 * MIB, 1))])
    const blocks = pieces.blocks()
    const [first] = blocks.keys()
    blocks.delete(first!)
    await expect(collect(read(blocks, packed.root))).rejects.toMatchObject({
      code: 'BLOCK_MISSING',
      details: { cid: first }
    })
  })

  it('refuses codecs and hashes that UnixFS does not use, and does not ask for such blocks', async () => {
    const bytes = text('x')
    const blocks = new Blocks()
    const strange = [
      CID.createV1(0x71, await sha256.digest(bytes)),
      CID.createV1(raw.code, await sha512.digest(bytes)),
      CID.createV1(raw.code, await sha256.digest(bytes, { truncate: 20 })),
      CID.createV1(raw.code, identity.digest(new Uint8Array(129)))
    ]
    for (const cid of strange) {
      blocks.set(cid.toString(), bytes)
      const { fetchBlocks, batches } = fetcherOf(blocks)
      await expect(collect(readContent({ root: cid, fetchBlocks }))).rejects.toMatchObject({ code: 'UNSUPPORTED_CID' })
      expect(batches).toEqual([])
    }
  })

  it.each([
    ['a part longer than claimed', 4n],
    ['a part shorter than claimed', 6n],
    ['10^12 bytes', 10n ** 12n]
  ])('refuses a file that lies about its size: %s', async (_, claim) => {
    const blocks = new Blocks()
    const leaf = await blocks.add(text('12345'), raw.code)
    await expect(collect(read(blocks, await blocks.fileOf([{ cid: leaf, claim }])))).rejects.toMatchObject({
      code: 'MALFORMED_CONTENT'
    })
  })

  it('refuses a file whose own sum is wrong, and one with more links than sizes', async () => {
    const blocks = new Blocks()
    const leaf = await blocks.add(text('12345'), raw.code)
    const honest = new UnixFS({ type: 'file', blockSizes: [5n] }).marshal()
    const link = { Name: '', Hash: leaf, Tsize: 5 }
    // Field 3, the file's size, comes right behind the two bytes of the type.
    const wrongSum = Uint8Array.from(honest)
    expect([wrongSum[2], wrongSum[3]]).toEqual([0x18, 5])
    wrongSum[3] = 9
    for (const root of [await blocks.node(wrongSum, [link]), await blocks.node(honest, [link, link])]) {
      await expect(collect(read(blocks, root))).rejects.toMatchObject({ code: 'MALFORMED_CONTENT' })
    }
  })

  it('refuses a directory inside a file', async () => {
    const blocks = new Blocks()
    const inner = await blocks.directory({})
    await expect(collect(read(blocks, await blocks.fileOf([{ cid: inner, claim: 0n }])))).rejects.toMatchObject({
      code: 'MALFORMED_CONTENT'
    })
  })

  it.each(['', '.', '..', '../../etc/passwd', 'x\0y', '\n[INFO] forged', 'a\\b', 'a'.repeat(300)])(
    'refuses the name %j',
    async name => {
      const blocks = new Blocks()
      const leaf = await blocks.add(text('x'), raw.code)
      await expect(collect(read(blocks, await blocks.directory({ [name]: leaf })))).rejects.toMatchObject({
        code: 'UNSAFE_NAME'
      })
    }
  )

  it('refuses two entries of one name', async () => {
    const blocks = new Blocks()
    const leaf = await blocks.add(text('x'), raw.code)
    const link = { Name: 'a', Hash: leaf, Tsize: 1 }
    const root = await blocks.node(new UnixFS({ type: 'directory' }).marshal(), [link, link])
    await expect(collect(read(blocks, root))).rejects.toMatchObject({ code: 'MALFORMED_CONTENT' })
  })

  it.each([
    ['not dag-pb', Uint8Array.of(0xff, 0xff)],
    ['no UnixFS', dagPb.encode({ Links: [] })],
    ['UnixFS without a type', dagPb.encode({ Data: new Uint8Array(0), Links: [] })],
    ['metadata', dagPb.encode({ Data: Uint8Array.of(8, 3), Links: [] })],
    ['a field cut off', dagPb.encode({ Data: Uint8Array.of(8, 2, 0x12, 9), Links: [] })],
    [
      'a varint of 70 bits',
      dagPb.encode({ Data: Uint8Array.of(8, 2, 0x18, ...new Array(9).fill(0xff), 0x7f), Links: [] })
    ],
    ['a link target that is not UTF-8', dagPb.encode({ Data: Uint8Array.of(8, 4, 0x12, 1, 0xff), Links: [] })]
  ])('refuses a block that is %s', async (_, bytes) => {
    const blocks = new Blocks()
    await expect(collect(read(blocks, await blocks.add(bytes)))).rejects.toMatchObject({ code: 'MALFORMED_CONTENT' })
  })
})

/** Work of this thread, which no busy machine makes longer. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

describe('readContent, of shards', () => {
  const shard = (fanout: bigint, hashType = 0x22n, data = new Uint8Array(0)) =>
    new UnixFS({ type: 'hamt-sharded-directory', fanout, hashType, data }).marshal()

  const powers = Array.from({ length: 64 }, (_, i) => 1n << BigInt(i)).filter(fanout => fanout < 8n || fanout > 1024n)
  it.each([0n, 3n, 7n, 12n, 1023n, ...powers])('refuses fanout %i at once', async fanout => {
    const blocks = new Blocks()
    const leaf = await blocks.add(text('x'), raw.code)
    const root = await blocks.node(shard(fanout), [{ Name: '00a', Hash: leaf, Tsize: 1 }])
    const startMs = cpuMs()
    await expect(collect(read(blocks, root))).rejects.toMatchObject({ code: 'MALFORMED_CONTENT' })
    // What walks such a fanout takes seconds and more; a collection of garbage may fall into this one.
    expect(cpuMs() - startMs).toBeLessThan(500)
  })

  it.each([
    ['another hash of names', shard(256n, 0x12n), ['00a']],
    ['a bitfield longer than its slots', shard(8n, 0x22n, Uint8Array.of(1, 1)), ['0a']],
    ['a name without a slot', shard(256n), ['0']],
    ['a slot that is no number', shard(256n), ['ZZa']],
    ['a slot in small letters', shard(256n), ['ffa']],
    ['a slot above the fanout', shard(8n), ['8a']],
    ['one slot twice', shard(256n), ['01a', '01b']]
  ])('refuses %s', async (_, data, names) => {
    const blocks = new Blocks()
    const leaf = await blocks.add(text('x'), raw.code)
    const root = await blocks.node(
      data,
      names.map(Name => ({ Name, Hash: leaf, Tsize: 1 }))
    )
    await expect(collect(read(blocks, root))).rejects.toMatchObject({ code: 'MALFORMED_CONTENT' })
  })

  it('refuses a sub-shard that is a file, a plain directory or of another fanout', async () => {
    const blocks = new Blocks()
    for (const inner of [
      await blocks.add(text('x'), raw.code),
      await blocks.directory({}),
      await blocks.node(shard(16n))
    ]) {
      const root = await blocks.node(shard(256n), [{ Name: '00', Hash: inner, Tsize: 1 }])
      await expect(collect(read(blocks, root))).rejects.toMatchObject({ code: 'MALFORMED_CONTENT' })
    }
  })
})

describe('readContent, of bombs', () => {
  async function expectExceeded(blocks: Blocks, root: CID, budget: ReadOptions['budget'], which: string) {
    const startMs = cpuMs()
    await expect(collect(read(blocks, root, { budget: budget ?? {} }))).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED',
      details: { budget: which }
    })
    expect(cpuMs() - startMs).toBeLessThan(1000)
  }

  it('stops at a chain of directories deeper than 128', async () => {
    const blocks = new Blocks()
    let root = await blocks.directory({})
    for (let i = 0; i < 2000; i++) root = await blocks.directory({ d: root })
    await expectExceeded(blocks, root, {}, 'depth')
  })

  it('stops at a chain of shards deeper than 128', async () => {
    const blocks = new Blocks()
    const data = new UnixFS({ type: 'hamt-sharded-directory', fanout: 256n, hashType: 0x22n }).marshal()
    let root = await blocks.node(data)
    for (let i = 0; i < 300; i++) root = await blocks.node(data, [{ Name: '00', Hash: root, Tsize: 1 }])
    await expectExceeded(blocks, root, {}, 'depth')
  })

  it('stops at a file of nodes nested deeper than 128', async () => {
    const blocks = new Blocks()
    let root = await blocks.add(text('x'), raw.code)
    for (let i = 0; i < 300; i++) root = await blocks.fileOf([{ cid: root, claim: 1n }])
    await expectExceeded(blocks, root, {}, 'depth')
  })

  it('stops at 31 blocks that list 2^31 entries', async () => {
    const blocks = new Blocks()
    let root = await blocks.directory({})
    for (let i = 0; i < 31; i++) root = await blocks.directory({ a: root, b: root })
    await expectExceeded(blocks, root, { entries: 5000 }, 'entries')
    await expectExceeded(blocks, root, { blocks: 2000 }, 'blocks')
  })

  it('stops at a small DAG that declares 10^15 bytes and delivers them', async () => {
    const blocks = new Blocks()
    let size = BigInt(MIB)
    let root = await blocks.add(new Uint8Array(MIB), raw.code)
    for (let i = 0; i < 3; i++) {
      root = await blocks.fileOf(Array.from({ length: 1000 }, () => ({ cid: root, claim: size })))
      size *= 1000n
    }
    await expectExceeded(blocks, root, { bytes: 64 * MIB }, 'bytes')
  })

  it('stops at parts of no bytes that never end', async () => {
    const blocks = new Blocks()
    let root = await blocks.add(new Uint8Array(0), raw.code)
    for (let i = 0; i < 20; i++)
      root = await blocks.fileOf(Array.from({ length: 200 }, () => ({ cid: root, claim: 0n })))
    await expectExceeded(blocks, root, { blocks: 3000 }, 'blocks')
  })
})

describe('readContent, ended early', () => {
  it('aborted before: asks for nothing', async () => {
    const { fetchBlocks, batches } = fetcherOf(new Map())
    const root = CID.createV1(raw.code, await sha256.digest(text('x')))
    const entries = readContent({ root, fetchBlocks, signal: AbortSignal.abort(new Error('early')) })
    await expect(entries.next()).rejects.toThrow('early')
    expect(batches).toEqual([])
  })

  it('aborted while nobody answers: rejects at once', async () => {
    const controller = new AbortController()
    const root = CID.createV1(raw.code, await sha256.digest(text('x')))
    const fetchBlocks = async function* (): AsyncGenerator<Uint8Array> {
      queueMicrotask(() => controller.abort(new Error('no answer')))
      await new Promise<never>(() => {})
    }
    await expect(readContent({ root, fetchBlocks, signal: controller.signal }).next()).rejects.toThrow('no answer')
  })

  it('closes what it asked for when the reader of a file stops', async () => {
    const { packed, pieces } = await packTree([file('', noise(6 * MIB, 1))])
    let open = 0
    const { fetchBlocks } = fetcherOf(pieces.blocks())
    const entries = readContent({
      root: packed.root,
      fetchBlocks: async function* (cids, options) {
        open += 1
        try {
          yield* fetchBlocks(cids, options)
        } finally {
          open -= 1
        }
      }
    })
    const entry = (await entries.next()).value as ContentEntry & { kind: 'file' }
    for await (const chunk of entry.content()) {
      expect([chunk.length, open]).toEqual([MIB, 1])
      break
    }
    expect(open).toBe(0)
  })
})
