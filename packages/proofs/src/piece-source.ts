/**
 * Where a prover gets nodes from: a piece's raw bytes and its cached layer.
 *
 * Every node below the cached layer is rebuilt from the bytes of the one subtree that holds it. All subtrees that a proof
 * touches are read once, laid side by side, and hashed together, a layer per call.
 */
import { expectArray, expectBytes, expectFunction, expectInteger } from './arguments.ts'
import { ProofError } from './errors.ts'
import { expandFr32 } from './fr32.ts'
import type { NodePosition } from './leaf-runs.ts'
import { expectNodeHasher, type NodeHasher } from './node-hasher.ts'
import type { PieceCommitment } from './piece-cid.ts'
import { type CachedLayer, expectLayerOfPiece, growLayers } from './piece-tree.ts'
import { expandedSizeOf, heightOf, LEAF_SIZE_BYTES, leafCountOf, rawCapacityOf } from './sizes.ts'
import { zeroNode } from './zero-nodes.ts'

/**
 * Reads `size` raw bytes at `offset` of a piece, never past its end; fewer bytes mean that the source is too short.
 *
 * Proofs of leaves and ranges ask for one cached subtree at a time, block proofs also for the quads of their section.
 */
export type ReadPiece = (offset: number, size: number) => Promise<Uint8Array>

/** What every prover works from. */
export interface PieceSource {
  read: ReadPiece
  /** The size is believed: whether the source *is* the piece is not checked. */
  commitment: Pick<PieceCommitment, 'rawSize'>
  /** The layer that the piece hasher gave for this piece. */
  layer: CachedLayer
  nodeHasher: NodeHasher
  /** Checked before each read. */
  signal?: AbortSignal
}

/** The nodes of a piece, as far as a proof needs them. */
export interface PieceNodes {
  /** @returns the 32 bytes of a node: a view, not to be written */
  nodeAt(position: NodePosition): Uint8Array
}

/** Requires leaf indices of a piece; their order and repetitions are the caller's. */
export function expectLeafIndices(leafIndices: readonly number[], rawSize: number): void {
  expectArray('leafIndices', leafIndices)
  if (leafIndices.length === 0) throw new RangeError('leafIndices: expected at least 1, got 0')
  const last = leafCountOf(rawSize) - 1
  for (const [i, leafIndex] of leafIndices.entries()) expectInteger(`leafIndices[${i}]`, leafIndex, 0, last)
}

/** @returns the distinct values, ascending */
export function sortDistinct(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b)
}

/**
 * Opens the nodes around some leaves.
 *
 * @param leafIndices - the leaves whose subtrees are rebuilt; below the cached layer, no other node can be asked for
 * @throws {ProofError} `SOURCE_TOO_SHORT` when the source ends early
 */
export async function openNodes(source: PieceSource, leafIndices: readonly number[]): Promise<PieceNodes> {
  const { layer, nodeHasher } = source
  expectNodeHasher(nodeHasher)
  const { rawSize } = source.commitment
  expectLayerOfPiece(layer, rawSize)
  const leavesPerSubtree = 2 ** layer.height
  const subtrees = sortDistinct(leafIndices.map(leaf => Math.floor(leaf / leavesPerSubtree)))
  const leaves = await readSubtrees(source, subtrees)
  const lower = growLayers(leaves, 0, layer.height, nodeHasher)
  const upper = growLayers(layer.nodes, layer.height, heightOf(rawSize), nodeHasher)
  const slots = new Map(subtrees.map((subtree, slot) => [subtree, slot]))
  const dataLeafCount = leafCountOf(rawSize)

  return {
    nodeAt({ level, index }) {
      if (index * 2 ** level >= dataLeafCount) return zeroNode(level)
      if (level >= layer.height) return nodeOf(upper[level - layer.height]!, index)
      const width = 2 ** (layer.height - level)
      const slot = slots.get(Math.floor(index / width))!
      return nodeOf(lower[level]!, slot * width + (index % width))
    }
  }
}

/** Reads and expands subtrees of the cached layer's height, side by side; what lies behind the piece is zero. */
async function readSubtrees(source: PieceSource, subtrees: readonly number[]): Promise<Uint8Array> {
  const { rawSize } = source.commitment
  const { height } = source.layer
  const subtreeRawSize = rawCapacityOf(height)
  const subtreeSize = LEAF_SIZE_BYTES * 2 ** height
  const leaves = new Uint8Array(subtrees.length * subtreeSize)
  for (const [slot, subtree] of subtrees.entries()) {
    const offset = subtree * subtreeRawSize
    const raw = await readExactly(source, offset, Math.min(subtreeRawSize, rawSize - offset))
    const start = slot * subtreeSize
    expandFr32(raw, leaves.subarray(start, start + expandedSizeOf(raw.length)))
  }
  return leaves
}

/** Reads from a source that must not end early. @throws {ProofError} `SOURCE_TOO_SHORT` */
export async function readExactly(
  { read, signal }: Pick<PieceSource, 'read' | 'signal'>,
  offset: number,
  size: number
): Promise<Uint8Array> {
  expectFunction('read', read)
  signal?.throwIfAborted()
  const raw = await read(offset, size)
  expectBytes('read()', raw)
  if (raw.length > size) throw new RangeError(`read(): expected ${size} bytes, got ${raw.length}`)
  if (raw.length === size) return raw
  throw new ProofError(
    'SOURCE_TOO_SHORT',
    { offset, expected: size, got: raw.length },
    `the source ends early: expected ${size} bytes at offset ${offset}, got ${raw.length}`
  )
}

function nodeOf(layer: Uint8Array, index: number): Uint8Array {
  return layer.subarray(index * LEAF_SIZE_BYTES, (index + 1) * LEAF_SIZE_BYTES)
}

/** Lays nodes one after another, in the order given. */
export function collectNodes(nodes: PieceNodes, positions: readonly NodePosition[]): Uint8Array {
  const bytes = new Uint8Array(positions.length * LEAF_SIZE_BYTES)
  for (const [i, position] of positions.entries()) bytes.set(nodes.nodeAt(position), i * LEAF_SIZE_BYTES)
  return bytes
}
