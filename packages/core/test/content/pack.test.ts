import { createCipheriv, createHash } from 'node:crypto'
import { createPieceHasher, decodePieceCid, portableNodeHasher } from '@holdfast/proofs'
import * as dagPb from '@ipld/dag-pb'
import fc from 'fast-check'
import { type ImporterOptions, importer } from 'ipfs-unixfs-importer'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import {
  BLOCK_SIZE_BYTES_MAX,
  checkEntryName,
  compareEntryNames,
  encodeCarHeader,
  PIECE_SIZE_BYTES_MIN,
  PIECE_SIZE_LIMIT_BYTES_MIN,
  PLACEHOLDER_ROOT,
  readContent,
  type SourceEntry,
  type UnixfsProfile
} from '../../src/content/index.ts'
import {
  collect,
  directory,
  fetcherOf,
  file,
  MemoryPieces,
  packTree,
  sourceOf,
  symlink,
  text
} from './memory-content.ts'

const MIB = 1024 * 1024
/** Kubo's, of CIDv1. */
const EMPTY_DIRECTORY = 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354'

/** Kubo's deterministic test data: the ChaCha20 keystream under the SHA-256 of the seed. */
function keystream(size: number, seed: string): Uint8Array {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('chacha20', key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

function keystreamNames(count: number, length: number, lastLength: number, seed: string): string[] {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz01234567890-_'
  const stream = keystream(MIB, seed)
  let offset = 0
  return Array.from({ length: count }, (_, i) => {
    const size = i === count - 1 ? lastLength : length
    const name = Array.from(stream.subarray(offset, offset + size), byte => alphabet[byte % alphabet.length]).join('')
    offset += size
    return name
  })
}

const sorted = (entries: SourceEntry[]) => entries.sort((a, b) => compareEntryNames(a.path, b.path))

async function rootOf(entries: Iterable<SourceEntry>, profile: UnixfsProfile): Promise<string> {
  return (await packTree(entries, { profile })).packed.root.toString()
}

describe('CIDs of Kubo (cid_profiles_test.go, IPIP-499)', () => {
  const files: Array<[UnixfsProfile, Uint8Array, string]> = [
    ['unixfs-v0-2015', text('hello world'), 'Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD'],
    ['unixfs-v0-2015', keystream(262_144, 'chunk-v0-seed'), 'QmWmRj3dFDZdb6ABvbmKhEL6TmPbAfBZ1t5BxsEyJrcZhE'],
    ['unixfs-v0-2015', keystream(262_145, 'chunk-v0-seed'), 'QmYyLxtzZyW22zpoVAtKANLRHpDjZtNeDjQdJrcQNWoRkJ'],
    ['unixfs-v1-2025', text('hello world'), 'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'],
    ['unixfs-v1-2025', keystream(MIB, 'chunk-v1-seed'), 'bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta'],
    [
      'unixfs-v1-2025',
      keystream(MIB + 1, 'chunk-v1-seed'),
      'bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64'
    ]
  ]
  it.each(files)('%s: a file of one chunk or two', async (profile, bytes, cid) => {
    expect(await rootOf([file('', bytes)], profile)).toBe(cid)
  })

  it('unixfs-v0-2015: a file of two levels of nodes', async () => {
    const bytes = keystream(174 * 262_144 + 1, 'v0-seed')
    expect(await rootOf([file('', bytes)], 'unixfs-v0-2015')).toBe('QmV81WL765sC8DXsRhE5fJv2rwhS4icHRaf3J9Zk5FdRnW')
  }, 60_000)

  const directories: Array<[UnixfsProfile, number, number, number, string]> = [
    ['unixfs-v0-2015', 4096, 30, 30, 'QmX5GtRk3TSSEHtdrykgqm4eqMEn3n2XhfkFAis5fjyZmN'],
    ['unixfs-v0-2015', 4033, 31, 31, 'QmeMiJzmhpJAUgynAcxTQYek5PPKgdv3qEvFsdV3XpVnvP'],
    ['unixfs-v1-2025', 4766, 11, 21, 'bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4'],
    ['unixfs-v1-2025', 4766, 11, 22, 'bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu']
  ]
  it.each(directories)('%s: a directory of %i files at or one byte over the threshold', async (...vector) => {
    const [profile, count, length, lastLength, cid] = vector
    const names = keystreamNames(count, length, lastLength, `hamt-${profile}`)
    expect(await rootOf(sorted(names.map(name => file(name, text('x')))), profile)).toBe(cid)
  })
})

/** The same tree through the importer alone, as a reader of its documentation would do it. */
async function importerRoot(entries: SourceEntry[], profile: UnixfsProfile): Promise<string> {
  const candidates = entries.map(entry => {
    const path = `root/${entry.path}`
    if (entry.kind === 'file') return { path, content: entry.content }
    return entry.kind === 'symlink' ? { path, link: entry.target } : { path }
  })
  const options: ImporterOptions = { profile, wrapWithDirectory: false }
  let root: CID | undefined
  for await (const { cid } of importer(candidates, { put: async cid => cid }, options)) root = cid
  return root!.toString()
}

/** Whatever one may call a file: signs of all scripts, spaces, dots, percent signs, what Windows reserves. */
const NAME = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter(name => checkEntryName(name).ok)

/** Of no byte, of a few, and of one chunk or several, whose blocks repeat. */
const CONTENT = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 262_143, max: 1_100_000 }).map(size => new Uint8Array(size).fill(size)) }
)

type RandomNode = Uint8Array | { readonly link: string } | RandomTree
type RandomTree = readonly (readonly [string, RandomNode])[]

const { tree: TREE } = fc.letrec<{ tree: RandomTree; node: RandomNode }>(tie => ({
  tree: fc.uniqueArray(fc.tuple(NAME, tie('node')), { maxLength: 5, selector: ([name]) => name }),
  node: fc.oneof(
    { maxDepth: 4 },
    { weight: 3, arbitrary: CONTENT },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map(link => ({ link })) },
    { weight: 2, arbitrary: tie('tree') }
  )
}))

/** Its entries in canonical order, empty directories among them. */
function entriesOf(tree: RandomTree, parent = ''): SourceEntry[] {
  return tree
    .toSorted(([a], [b]) => compareEntryNames(a, b))
    .flatMap(([name, node]) => {
      const path = `${parent}${name}`
      if (node instanceof Uint8Array) return [file(path, node)]
      return 'link' in node ? [symlink(path, node.link)] : [directory(path), ...entriesOf(node, `${path}/`)]
    })
}

describe('packContent', () => {
  it.each<UnixfsProfile>(['unixfs-v1-2025', 'unixfs-v0-2015'])(
    '%s: gives the root that the importer gives',
    async profile => {
      await fc.assert(
        fc.asyncProperty(TREE, async tree => {
          fc.pre(tree.length > 0)
          const entries = entriesOf(tree)
          expect(await rootOf(entries, profile)).toBe(await importerRoot(entries, profile))
        }),
        { numRuns: 60 }
      )
    }
  )

  it('writes the same bytes for the same tree, however its files were cut into chunks', async () => {
    const bytes = keystream(3 * MIB + 5, 'chunks')
    const cut = (size: number) =>
      file(
        'b',
        ...Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size))
      )
    const trees = [MIB, 70_000, bytes.length].map(size => [file('a', text('a')), cut(size), symlink('c', 'b')])
    const all = await Promise.all(trees.map(tree => packTree(tree)))
    expect(all[1]!.pieces.bytes).toEqual(all[0]!.pieces.bytes)
    expect(all[2]!.pieces.bytes).toEqual(all[0]!.pieces.bytes)
    expect(all[1]!.packed).toEqual(all[0]!.packed)
  })

  it('splits between sections into pieces that each scan, hash to their CID and stay within the limit', async () => {
    const pieceSizeBytesMax = PIECE_SIZE_LIMIT_BYTES_MIN
    const bytes = keystream(7 * MIB, 'split')
    const { packed, pieces } = await packTree([file('', bytes)], { pieceSizeBytesMax })
    expect(packed.pieces.map(piece => piece.blockCount)).toEqual([2, 2, 2, 2])
    for (const [i, raw] of pieces.bytes.entries()) {
      expect(raw.length).toBe(packed.pieces[i]!.rawSize)
      expect(raw.length).toBeLessThanOrEqual(pieceSizeBytesMax)
      const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
      hasher.update(raw)
      expect(hasher.digest().cid.toString()).toBe(packed.pieces[i]!.cid.toString())
    }
    expect(pieces.pieces.every(piece => piece.state === 'closed')).toBe(true)
    expect(pieces.blocks().size).toBe(8)
  })

  it('pads the smallest object to the smallest piece, with a section that any CAR reader takes', async () => {
    for (const size of [1, 26, 27, 60, 62, 63, 64, 65]) {
      const { packed, pieces } = await packTree([file('', keystream(size, `${size}`))])
      expect(packed.pieces[0]!.rawSize).toBeGreaterThanOrEqual(PIECE_SIZE_BYTES_MIN)
      expect(packed.pieces[0]!.rawSize).toBeLessThan(PIECE_SIZE_BYTES_MIN + 38)
      expect(pieces.blocks().has(packed.root.toString())).toBe(true)
      expect(packed.blockCount).toBe(1)
    }
  })

  it('begins every piece with a CARv1 header whose root is the empty identity CID', async () => {
    const { pieces } = await packTree([file('', text('x'))])
    const header = encodeCarHeader([PLACEHOLDER_ROOT])
    expect(PLACEHOLDER_ROOT.toString()).toBe('bafkqaaa')
    expect(pieces.bytes[0]!.subarray(0, header.length)).toEqual(header)
    expect(Buffer.from(header).toString('hex')).toBe('19a265726f6f747381d82a450001550000' + '6776657273696f6e01')
  })

  it.each<UnixfsProfile>(['unixfs-v1-2025', 'unixfs-v0-2015'])(
    '%s: writes children before their parents, the root last, over all pieces',
    async profile => {
      const large = keystream(3 * MIB + 5, 'children first')
      const many = Array.from({ length: 3000 }, (_, i) => file(`m/${String(i).padStart(100, '0')}`, text(`${i % 9}`)))
      const tree = [directory('e'), file('large', large), ...many, symlink('z', 'large')]
      const { packed, pieces } = await packTree(tree, { profile, pieceSizeBytesMax: PIECE_SIZE_LIMIT_BYTES_MIN })
      expect(packed.pieces.length).toBeGreaterThan(1)
      const written = new Set<string>()
      for (const [text, block] of pieces.blocks()) {
        const cid = CID.parse(text)
        for (const { Hash } of cid.code === dagPb.code ? dagPb.decode(block).Links : [])
          expect(written.has(Hash.toString())).toBe(true)
        written.add(text)
      }
      expect([...written].at(-1)).toBe(packed.root.toString())
      expect(written.size).toBe(packed.blockCount)
    }
  )

  it('stores a block once, however often it occurs', async () => {
    const zeros = new Uint8Array(20 * MIB)
    const { packed } = await packTree([file('a', zeros), file('b', zeros)])
    expect(packed.blockCount).toBe(3)
    expect(packed.contentSizeBytes).toBe(40 * MIB)
    expect(packed.pieces[0]!.rawSize).toBeLessThan(2 * MIB)
  })

  it('keeps empty files and empty directories of a larger tree', async () => {
    const tree = [directory('empty'), file('nothing'), file('some', text('x'))]
    const { packed } = await packTree(tree)
    expect(packed.root.toString()).toBe(await importerRoot(tree, 'unixfs-v1-2025'))
    expect(packed).toMatchObject({ contentSizeBytes: 1, fileCount: 2 })
  })

  it('needs no directory entries, and writes no orphan for those that come', async () => {
    const bare = await packTree([file('a/b/c', text('x'))])
    const told = await packTree([directory(''), directory('a'), directory('a/b'), file('a/b/c', text('x'))])
    expect(told.pieces.bytes).toEqual(bare.pieces.bytes)
  })

  it('shards a directory of many subdirectories, so that no block outgrows the network', async () => {
    const tree = Array.from({ length: 6000 }, (_, i) => file(`${String(i).padStart(5, '0')}/f`, text('x')))
    const { pieces, packed } = await packTree(tree)
    // Small files share a piece.
    expect(packed).toMatchObject({ fileCount: 6000, pieces: [{ blockCount: packed.blockCount }] })
    const sizes = Array.from(pieces.blocks().values(), block => block.length)
    expect(sizes.length).toBeGreaterThan(200)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(256 * 1024)
  })

  it.each<[string, SourceEntry[], string]>([
    ['nothing at all', [], EMPTY_DIRECTORY],
    ['an empty directory', [directory('')], EMPTY_DIRECTORY],
    ['an empty file', [file('')], 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku']
  ])('packs %s as Kubo does, into a piece of the least size', async (_, tree, cid) => {
    const { packed, pieces } = await packTree(tree)
    expect(packed).toMatchObject({ contentSizeBytes: 0, blockCount: 1, pieces: [{ rawSize: PIECE_SIZE_BYTES_MIN }] })
    expect(packed.root.toString()).toBe(cid)
    const read = await collect(readContent({ root: packed.root, ...fetcherOf(pieces.blocks()) }))
    const [entry] = tree
    expect(read).toEqual([entry?.kind === 'file' ? { path: '', kind: 'file', content: '' } : directory('')])
  })

  it('packs empty files and links alone', async () => {
    const tree = [directory('d'), file('d/e'), symlink('l', 'd')]
    const { packed } = await packTree(tree)
    expect(packed.root.toString()).toBe(await importerRoot(tree, 'unixfs-v1-2025'))
    expect(packed).toMatchObject({ contentSizeBytes: 0, fileCount: 1 })
  })

  it.each([
    ['unsorted names', [file('b', text('1')), file('a', text('2'))]],
    ['a path twice', [file('a', text('1')), file('a', text('2'))]],
    ['an entry below a file', [file('a', text('1')), file('a/b', text('2'))]],
    ['a directory after what it holds', [file('a/b', text('1')), directory('a')]],
    ['a return to a directory', [file('a/b', text('1')), file('b', text('1')), file('a/c', text('2'))]]
  ])('throws a TypeError for %s and discards what it wrote', async (_, tree) => {
    const pieces = new MemoryPieces()
    await expect(packTree(tree, { openPiece: pieces.openPiece })).rejects.toThrow(TypeError)
    expect(pieces.pieces.every(piece => piece.state === 'discarded')).toBe(true)
  })

  it('refuses a name that could not be restored', async () => {
    await expect(packTree([file('a/..', text('1'))])).rejects.toMatchObject({
      code: 'UNSAFE_NAME',
      details: { path: 'a/..', reason: 'dot' }
    })
  })

  it('refuses a piece size that no block fits in, or that no piece may have', async () => {
    for (const pieceSizeBytesMax of [0, Number.NaN, BLOCK_SIZE_BYTES_MAX, 2 ** 31]) {
      await expect(packTree([file('', text('x'))], { pieceSizeBytesMax })).rejects.toThrow(RangeError)
    }
  })

  it('reports progress that never falls and ends at the totals', async () => {
    const seen: Array<{ contentSizeBytes: number; pieceSizeBytes: number; fileCount: number }> = []
    const { packed } = await packTree([file('a', keystream(2 * MIB, 'a')), file('b', text('b'))], {
      onProgress: progress => void seen.push(progress)
    })
    expect(seen.at(-1)).toEqual({
      contentSizeBytes: packed.contentSizeBytes,
      pieceSizeBytes: packed.pieces[0]!.rawSize,
      fileCount: 2
    })
    expect(seen.every((now, i) => i === 0 || now.pieceSizeBytes >= seen[i - 1]!.pieceSizeBytes)).toBe(true)
    expect(seen.length).toBeGreaterThan(3)
  })

  it('names a piece by a CID that decodes to its size', async () => {
    const { packed } = await packTree([file('', keystream(3 * MIB, 'cid'))])
    expect(decodePieceCid(packed.pieces[0]!.cid)).toMatchObject({
      ok: true,
      commitment: { rawSize: packed.pieces[0]!.rawSize }
    })
  })
})

describe('packContent, ended early', () => {
  /** A file that yields `chunks` and then does what it is told; says whether it was closed. */
  function tracked(then: () => Promise<void>) {
    const state = { closed: false }
    const content = async function* () {
      try {
        yield keystream(4 * MIB, 'tracked')
        await then()
        yield keystream(4 * MIB, 'rest')
      } finally {
        state.closed = true
      }
    }
    return { state, entry: { path: 'f', kind: 'file', content: content() } satisfies SourceEntry }
  }

  it('aborted before: touches neither source nor sinks', async () => {
    const pieces = new MemoryPieces()
    let pulled = false
    const source = (async function* () {
      pulled = true
      yield file('', text('x'))
    })()
    const options = { source, openPiece: pieces.openPiece, signal: AbortSignal.abort(new Error('early')) }
    await expect(packTree([], options)).rejects.toThrow('early')
    expect(pulled).toBe(false)
    expect(pieces.pieces).toEqual([])
  })

  it('aborted in the middle: discards every piece, closed ones too, and closes the file it read', async () => {
    const pieces = new MemoryPieces()
    const controller = new AbortController()
    const { state, entry } = tracked(async () => controller.abort(new Error('enough')))
    const options = {
      openPiece: pieces.openPiece,
      pieceSizeBytesMax: PIECE_SIZE_LIMIT_BYTES_MIN,
      signal: controller.signal
    }
    await expect(packTree([entry], options)).rejects.toThrow('enough')
    expect(pieces.pieces.map(piece => piece.state)).toEqual(['discarded', 'discarded'])
    expect(state.closed).toBe(true)
  })

  it('aborted while the source hangs: rejects at once', async () => {
    const pieces = new MemoryPieces()
    const controller = new AbortController()
    const { entry } = tracked(() => {
      queueMicrotask(() => controller.abort(new Error('hung')))
      return new Promise<never>(() => {})
    })
    await expect(packTree([entry], { openPiece: pieces.openPiece, signal: controller.signal })).rejects.toThrow('hung')
    expect(pieces.pieces.every(piece => piece.state === 'discarded')).toBe(true)
  })

  it.each(['open', 'write', 'close'] as const)('aborted while a sink hangs in %s: rejects at once', async step => {
    const controller = new AbortController()
    const hang = () => {
      queueMicrotask(() => controller.abort(new Error('stuck')))
      return new Promise<never>(() => {})
    }
    let discarded = 0
    const openPiece = async () => {
      if (step === 'open') await hang()
      return {
        write: async () => (step === 'write' ? hang() : undefined),
        close: async () => (step === 'close' ? hang() : undefined),
        discard: async () => void discarded++
      }
    }
    const { signal } = controller
    await expect(packTree([file('', text('x'))], { openPiece, signal })).rejects.toThrow('stuck')
    expect(discarded).toBe(step === 'open' ? 0 : 1)
  })

  it('a sink that fails ends it with that failure and closes the source', async () => {
    const { state, entry } = tracked(async () => {})
    let closed = false
    const source = (async function* () {
      try {
        yield entry
      } finally {
        closed = true
      }
    })()
    const openPiece = async () => ({
      write: () => Promise.reject(new Error('disk full')),
      close: async () => {},
      discard: () => Promise.reject(new Error('and cannot discard'))
    })
    await expect(packTree([], { source, openPiece })).rejects.toThrow('disk full')
    expect([state.closed, closed]).toEqual([true, true])
  })

  it('a source that fails ends it with that failure', async () => {
    const pieces = new MemoryPieces()
    const { entry } = tracked(() => Promise.reject(new Error('changed')))
    await expect(packTree([], { source: sourceOf([entry]), openPiece: pieces.openPiece })).rejects.toThrow('changed')
    expect(pieces.pieces.map(piece => piece.state)).toEqual(['discarded'])
  })
})
