/**
 * Packs the blocks of a CAR file into pieces, as they are: its root stays the root.
 *
 * One pass, nothing is held but digests. Refuses a CAR whose DAG is not whole, because its reader would find out too late.
 */

import { PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import * as dagPb from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { CoreError } from '../error.ts'
import { inlineBlock } from './block.ts'
import { readCarBlocks } from './car-blocks.ts'
import type { CarSummary } from './car-scanner.ts'
import { decodeNode } from './decode-node.ts'
import { digestKey } from './digest-key.ts'
import { type HashingOptions, hashPieces } from './hash-pieces.ts'
import type { LaidOutContent, LayOutOptions, PackedContent } from './pack.ts'
import { PiecePacker } from './piece-packer.ts'

export interface LayOutCarOptions extends Omit<LayOutOptions, 'source' | 'profile'> {
  /** The bytes of a CARv1 with one root. */
  readonly car: AsyncIterable<Uint8Array>
}

export interface PackCarOptions extends Omit<LayOutCarOptions, 'trailerSizeOf'>, HashingOptions {}

/**
 * Reads `car` once and writes its pieces. Blocks that occur twice are written once; blocks that the root does not need
 * are kept. `contentSizeBytes` counts the bytes that files hold in different blocks, `fileCount` is 0: a CAR does not say.
 *
 * @throws {CoreError} `CAR_INVALID` also for a CAR of no or several roots, and for one that lacks blocks of its DAG;
 * `MALFORMED_CONTENT` for a dag-pb block that is no UnixFS; `NOTHING_TO_STORE` for
 * one whose root is its own content
 */
export async function packCar({ nodeHasher, createHasher, ...options }: PackCarOptions): Promise<PackedContent> {
  const hashed = hashPieces(options.openPiece, { nodeHasher, createHasher })
  const content = await layOutCar({ ...options, openPiece: hashed.openPiece })
  return { ...content, pieces: hashed.commit(content.pieces) }
}

/** `packCar` without commitments, for sinks that store other bytes than they are given. */
export async function layOutCar(options: LayOutCarOptions): Promise<LaidOutContent> {
  const { car, openPiece, trailerSizeOf, signal, pieceSizeBytesMax = PIECE_SIZE_BYTES_MAX, onProgress } = options
  signal?.throwIfAborted()
  const packer = new PiecePacker({ openPiece, pieceSizeBytesMax, trailerSizeOf, signal })
  const seen = new Set<string>()
  /** Blocks that others link to and that have not come. */
  const awaited = new Map<string, CID>()
  let contentSizeBytes = 0
  try {
    const blocks = readCarBlocks(car, signal)
    let next = await blocks.next()
    for (; next.done !== true; next = await blocks.next()) {
      const { cid, bytes } = next.value
      const key = digestKey(cid)
      if (seen.has(key) || inlineBlock(cid) !== undefined) continue
      seen.add(key)
      awaited.delete(key)
      const node = decodeNode(cid, bytes)
      if (node.kind === 'file') contentSizeBytes += node.data.length
      if (cid.code !== raw.code) for (const link of linksOf(bytes)) expectLater(link, seen, awaited)
      await packer.put(cid, bytes)
      onProgress?.({ contentSizeBytes, pieceSizeBytes: packer.rawSize, fileCount: 0 })
    }
    const root = onlyRoot(next.value, seen)
    const [missing] = awaited.values()
    if (missing !== undefined) throw invalid(`${awaited.size} blocks of its DAG are missing, ${missing} is one of them`)
    if (seen.size === 0) throw new CoreError('NOTHING_TO_STORE', 'this CAR holds no block that is to be stored')
    await packer.finish()
    return { root, pieces: packer.pieces, contentSizeBytes, fileCount: 0, blockCount: seen.size }
  } catch (cause) {
    await packer.discard()
    throw cause
  }
}

function linksOf(block: Uint8Array): CID[] {
  return dagPb.decode(block).Links.map(({ Hash }) => Hash)
}

function expectLater(link: CID, seen: ReadonlySet<string>, awaited: Map<string, CID>): void {
  const key = digestKey(link)
  if (!seen.has(key) && inlineBlock(link) === undefined) awaited.set(key, link)
}

function onlyRoot({ roots }: CarSummary, seen: ReadonlySet<string>): CID {
  const [root] = roots
  if (roots.length !== 1 || root === undefined) throw invalid(`it has ${roots.length} roots, one is needed`)
  if (inlineBlock(root) === undefined && !seen.has(digestKey(root))) throw invalid(`its root ${root} is not in it`)
  return root
}

function invalid(what: string): CoreError<'CAR_INVALID'> {
  return new CoreError('CAR_INVALID', `this CAR cannot be stored: ${what}`)
}
