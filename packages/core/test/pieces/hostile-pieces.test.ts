/** Objects whose maker, who has every key, wants to hurt the reader. */
import { encode } from '@ipld/dag-cbor'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { createFrameCipher, FRAME_CONTENT_SIZE_BYTES, sealedSizeOf } from '../../src/pieces/frames.ts'
import { openPrivateObject, type PrivateObject, portablePieceCiphers } from '../../src/pieces/index.ts'
import { decodeManifest, encodeManifest, manifestSizeMaxOf } from '../../src/pieces/manifest.ts'
import { deriveObjectKeys, PIECES_PER_OBJECT_MAX } from '../../src/pieces/object-keys.ts'
import {
  BLOCKS_PER_PIECE_MAX,
  decodePieceFooter,
  encodePieceFooter,
  MANIFEST_SIZE_BYTES_MAX,
  type PieceFooter
} from '../../src/pieces/piece-footer.ts'
import { PieceIndexBuilder } from '../../src/pieces/piece-index.ts'
import { gather } from '../content/memory-content.ts'
import { rootOf } from '../ledger/memory-pieces.ts'
import { join, SECRET } from './private-objects.ts'

const ROOT = rootOf('root')
const CAR_SIZE = 1000
const MANIFEST = encodeManifest({
  version: 1,
  root: ROOT,
  profile: 'unixfs-v1-2025',
  contentSizeBytes: 0,
  fileCount: 0,
  blockCount: 0,
  earlierPieceSizesBytes: []
})

interface Made {
  readonly index?: Uint8Array
  readonly manifest?: Uint8Array
  readonly footer?: Partial<PieceFooter>
  /** Written over the encoded footer. */
  readonly footerBytes?: readonly [number, number]
}

/** A sealed piece of an object of one piece, whatever its maker likes in it. */
function pieceOf({ index = new Uint8Array(), manifest = MANIFEST, footer, footerBytes }: Made): Uint8Array {
  const end = encodePieceFooter({
    carSizeBytes: CAR_SIZE,
    blockCount: index.length / 40,
    manifestSizeBytes: manifest.length,
    piece: 0,
    ...footer
  })
  if (footerBytes !== undefined) end[footerBytes[0]] = footerBytes[1]
  return seal(join([new Uint8Array(CAR_SIZE), index, manifest, end]))
}

function seal(content: Uint8Array): Uint8Array {
  const cipher = createFrameCipher(portablePieceCiphers, deriveObjectKeys(SECRET).readKey, 0)
  const frames: Uint8Array[] = []
  const count = Math.ceil(content.length / FRAME_CONTENT_SIZE_BYTES)
  for (let number = 0; number < count; number++) {
    const part = content.subarray(number * FRAME_CONTENT_SIZE_BYTES, (number + 1) * FRAME_CONTENT_SIZE_BYTES)
    const frame = new Uint8Array(sealedSizeOf(part.length))
    frame.set(part)
    cipher.seal(frame, number, number === count - 1)
    frames.push(frame)
  }
  return join(frames)
}

function open(piece: Uint8Array): { object: PrivateObject; readBytes: () => number } {
  let readBytes = 0
  const object = openPrivateObject({
    reference: { root: ROOT, secret: SECRET, layout: 'identical', pieceCount: 1 },
    ciphers: portablePieceCiphers,
    locatePiece: async () => [
      {
        sizeBytes: piece.length,
        replicas: () => [
          {
            replica: 0,
            async *read(offset, length) {
              readBytes += length
              yield piece.slice(offset, offset + length)
            }
          }
        ]
      }
    ]
  })
  return { object, readBytes: () => readBytes }
}

const invalid = (reason: string) => ({ code: 'PIECE_INVALID', details: { piece: 0, reason } })

describe('a footer', () => {
  it.each<[string, Made, string]>([
    ['without its first letters', { footerBytes: [0, 0] }, 'footer format'],
    ['of a later version', { footerBytes: [7, 0x32] }, 'footer format'],
    ['that holds more', { footerBytes: [31, 1] }, 'footer format'],
    ['with a CAR beyond the piece', { footer: { carSizeBytes: 2 ** 32 - 1 } }, 'footer sizes'],
    ['with a CAR one byte short', { footer: { carSizeBytes: CAR_SIZE - 1 } }, 'footer sizes'],
    ['with four thousand million blocks', { footer: { blockCount: 2 ** 32 - 1 } }, 'footer sizes'],
    ['with a manifest beyond the piece', { footer: { manifestSizeBytes: 2 ** 32 - 1 } }, 'footer sizes'],
    ['of another piece', { footer: { piece: 1 } }, 'another piece']
  ])('%s is refused', async (_, made, reason) => {
    await expect(open(pieceOf(made)).object.manifest()).rejects.toMatchObject(invalid(reason))
  })

  it('that adds up but has more blocks than a piece may is refused', () => {
    const footer = { carSizeBytes: 0, blockCount: BLOCKS_PER_PIECE_MAX + 1, manifestSizeBytes: 0, piece: 0 }
    const size = footer.blockCount * 40 + 32
    expect(decodePieceFooter(encodePieceFooter(footer), 0, size)).toEqual({ ok: false, reason: 'footer sizes' })
  })

  it('has no room in a piece that is too short', async () => {
    await expect(open(seal(new Uint8Array(31))).object.manifest()).rejects.toMatchObject(invalid('size'))
  })

  it('is what was encoded or refused, whatever the bytes', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(bytes, fc.nat(3), fc.nat(10_000), (any, piece, size) => {
        const verdict = decodePieceFooter(any, piece, size)
        if (verdict.ok) expect(encodePieceFooter(verdict.footer)).toEqual(any)
      })
    )
  })
})

describe('an index', () => {
  const cid = rootOf('block')
  const entry = (offset: number, length: number) => {
    const builder = new PieceIndexBuilder()
    builder.add(cid.multihash.digest, { offset, length })
    return builder.encode()
  }

  it.each<[string, Uint8Array, string]>([
    ['that points behind the CAR', entry(CAR_SIZE, 1), 'index entry'],
    ['that points far behind the piece', entry(2 ** 32 - 1, 1), 'index entry'],
    ['with a block of four gigabytes', entry(0, 2 ** 32 - 1), 'index entry'],
    ['that is not sorted', new Uint8Array(80), 'index order'],
    ['that names a block twice', join([entry(0, 1), entry(0, 1)]), 'index order']
  ])('%s is refused', async (_, index, reason) => {
    const { object } = open(pieceOf({ index }))
    await expect(gather(object.fetchBlocks([cid], {}))).rejects.toMatchObject(invalid(reason))
  })

  it('of blocks that overlap costs what honest ones would', async () => {
    const names = Array.from({ length: 32 }, (_, number) => rootOf(`${number}`))
    const builder = new PieceIndexBuilder()
    for (const { multihash } of names) builder.add(multihash.digest, { offset: 0, length: CAR_SIZE })
    const { object, readBytes } = open(pieceOf({ index: builder.encode() }))
    const blocks = await gather(object.fetchBlocks(names, {}))
    expect(blocks.map(({ length }) => length)).toEqual(names.map(() => CAR_SIZE))
    expect(readBytes()).toBeLessThan(33 * 3000)
  })
})

describe('a manifest', () => {
  const deep = new Uint8Array(200_000).fill(0x81)
  const claims = Uint8Array.of(0x9b, 0, 0, 0, 1, 0, 0, 0, 0)
  const valid = { version: 1, root: ROOT, profile: '', contentSizeBytes: 0, fileCount: 0, blockCount: 0 }
  it.each<[string, Uint8Array, string]>([
    ['that is nothing', encode(null), 'manifest format'],
    ['of a later version', encode({ ...valid, version: 2, earlierPieceSizesBytes: [] }), 'manifest format'],
    ['with more in it', encode({ ...valid, more: 1, earlierPieceSizesBytes: [] }), 'manifest format'],
    ['without a root', encode({ ...valid, root: 1, earlierPieceSizesBytes: [] }), 'manifest format'],
    ['nested two hundred thousand times', deep, 'manifest format'],
    ['that claims four thousand million items', claims, 'manifest format'],
    ['with sizes that are none', encode({ ...valid, earlierPieceSizesBytes: [-1] }), 'manifest format'],
    ['of more pieces than there are', encode({ ...valid, earlierPieceSizesBytes: [1] }), 'manifest pieces']
  ])('%s is refused', async (_, manifest, reason) => {
    await expect(open(pieceOf({ manifest })).object.manifest()).rejects.toMatchObject(invalid(reason))
  })

  it('of another object is refused, and so is none', async () => {
    const manifest = encode({ ...valid, root: CID.asCID(rootOf('other')), earlierPieceSizesBytes: [] })
    await expect(open(pieceOf({ manifest })).object.manifest()).rejects.toMatchObject({
      code: 'PIECE_INVALID',
      details: { reason: 'its manifest is of another object' }
    })
    await expect(open(pieceOf({ manifest: new Uint8Array() })).object.manifest()).rejects.toMatchObject({
      details: { reason: 'it has no manifest' }
    })
  })

  it('of the largest object has the room that is kept for it', () => {
    for (const pieceCount of [1, 2, 1000, PIECES_PER_OBJECT_MAX]) {
      const bytes = encodeManifest({
        version: 1,
        root: ROOT,
        profile: 'x'.repeat(64),
        contentSizeBytes: Number.MAX_SAFE_INTEGER,
        fileCount: Number.MAX_SAFE_INTEGER,
        blockCount: Number.MAX_SAFE_INTEGER,
        earlierPieceSizesBytes: Array(pieceCount - 1).fill(1_065_353_216)
      })
      expect(bytes.length).toBeLessThanOrEqual(manifestSizeMaxOf(pieceCount))
      expect(bytes.length).toBeLessThanOrEqual(MANIFEST_SIZE_BYTES_MAX)
      expect(decodeManifest(bytes, pieceCount - 1).ok).toBe(true)
    }
  })
})
