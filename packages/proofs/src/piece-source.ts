/**
 * Where a prover gets nodes from: a piece's raw bytes and its cached layer.
 *
 * A node above the cached layer follows from the layer, a node to the right of all data is zero, and every other node is
 * rebuilt from the bytes of the one cached subtree that holds it. Subtrees are read ascending, a few ahead, each once for
 * all the nodes that are wanted of it, so memory is a few subtrees whatever is asked for.
 */
import { expectArray, expectBytes, expectFunction, expectInteger } from './arguments.ts'
import { ProofError } from './errors.ts'
import { expandFr32 } from './fr32.ts'
import type { NodePosition } from './leaf-runs.ts'
import { expectNodeHasher, type NodeHasher } from './node-hasher.ts'
import type { PieceCommitment } from './piece-cid.ts'
import { type CachedLayer, expectLayerOfPiece, growLayers, nodeCountAbove, type SparseLayer } from './piece-tree.ts'
import { readAhead } from './read-ahead.ts'
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
  /** The layer that the piece hasher gave for this piece, or the way to its parts. */
  layer: CachedLayer | SparseLayer
  nodeHasher: NodeHasher
  /** Checked before each read. */
  signal?: AbortSignal
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

/** A wanted node, and where its bytes go. */
interface Wanted extends NodePosition {
  offset: number
}

/**
 * Gathers nodes of a piece.
 *
 * @returns 32 bytes for each position, same order
 * @throws {ProofError} `SOURCE_TOO_SHORT` when the source ends early
 */
export async function readNodes(source: PieceSource, positions: readonly NodePosition[]): Promise<Uint8Array> {
  const { layer, nodeHasher } = source
  expectNodeHasher(nodeHasher)
  expectLayerOfPiece(topOf(layer), source.commitment.rawSize)
  const bytes = new Uint8Array(positions.length * LEAF_SIZE_BYTES)
  const knownNode = createKnownNodes(source)
  const unknown: Wanted[] = []
  for (const [i, { level, index }] of positions.entries()) {
    const offset = i * LEAF_SIZE_BYTES
    const node = knownNode({ level, index })
    if (node === undefined) unknown.push({ level, index, offset })
    else bytes.set(node, offset)
  }
  const below = unknown.filter(({ level }) => level < layer.height)
  if ('top' in layer)
    await fillFromGroups(
      source,
      layer,
      unknown.filter(({ level }) => level >= layer.height),
      bytes
    )
  const leavesPerSubtree = 2 ** layer.height
  // Used again for each subtree: what they would leave behind otherwise is most of a prover's garbage.
  const layers = Array.from(
    { length: layer.height },
    (_, level) => new Uint8Array((leavesPerSubtree / 2 ** level) * LEAF_SIZE_BYTES)
  )
  const wanted = Map.groupBy(below, ({ level, index }) => Math.floor((index * 2 ** level) / leavesPerSubtree))
  const subtrees = [...wanted].sort(([a], [b]) => a - b)
  for await (const { item, bytes: raw } of readAhead(subtrees, ([subtree]) => readSubtree(source, subtree))) {
    const [, nodes] = item
    expandSubtree(raw, layers[0]!)
    for (const [level, parents] of layers.slice(1).entries()) nodeHasher.hashLayer(layers[level]!, parents)
    for (const { level, index, offset } of nodes)
      bytes.set(nodeOf(layers[level]!, index % 2 ** (layer.height - level)), offset)
  }
  return bytes
}

/** The lowest layer that is at hand whole. */
function topOf(layer: CachedLayer | SparseLayer): CachedLayer {
  return 'top' in layer ? layer.top : layer
}

/** Fills in nodes between the two layers of a sparse one: each group of nodes below one node of its top is read once. */
async function fillFromGroups(
  { commitment, nodeHasher, signal }: PieceSource,
  { height, top, readNodes: readLayer }: SparseLayer,
  wanted: readonly Wanted[],
  bytes: Uint8Array
): Promise<void> {
  const perGroup = 2 ** (top.height - height)
  const count = nodeCountAbove(leafCountOf(commitment.rawSize), height)
  const groups = Map.groupBy(wanted, ({ level, index }) => Math.floor(index / 2 ** (top.height - level)))
  const read = ([group]: [number, Wanted[]]) => {
    signal?.throwIfAborted()
    const first = group * perGroup
    return readLayer(first, Math.min(perGroup, count - first))
  }
  for await (const { item, bytes: nodes } of readAhead([...groups], read)) {
    const [group, wantedOfGroup] = item
    expectBytes('readNodes()', nodes, Math.min(perGroup, count - group * perGroup) * LEAF_SIZE_BYTES)
    const layers = growLayers(nodes, height, top.height - 1, nodeHasher)
    for (const { level, index, offset } of wantedOfGroup)
      bytes.set(nodeOf(layers[level - height]!, index % 2 ** (top.height - level)), offset)
  }
}

/** @returns what says a node that needs no reading: a zero node, or one at or above the layer that is at hand */
function createKnownNodes({ commitment, layer: given, nodeHasher }: PieceSource) {
  const layer = topOf(given)
  const upper = growLayers(layer.nodes, layer.height, heightOf(commitment.rawSize), nodeHasher)
  const dataLeafCount = leafCountOf(commitment.rawSize)
  return ({ level, index }: NodePosition): Uint8Array | undefined => {
    if (index * 2 ** level >= dataLeafCount) return zeroNode(level)
    return level < layer.height ? undefined : nodeOf(upper[level - layer.height]!, index)
  }
}

/** Reads the raw bytes of one subtree of the cached layer's height, as far as the piece goes. */
function readSubtree(source: PieceSource, subtree: number): Promise<Uint8Array> {
  const subtreeRawSize = rawCapacityOf(source.layer.height)
  const offset = subtree * subtreeRawSize
  return readExactly(source, offset, Math.min(subtreeRawSize, source.commitment.rawSize - offset))
}

/** Expands a subtree's bytes to its leaves; what lies behind the piece is zero. */
function expandSubtree(raw: Uint8Array, leaves: Uint8Array): void {
  const expandedSize = expandedSizeOf(raw.length)
  expandFr32(raw, leaves.subarray(0, expandedSize))
  leaves.fill(0, expandedSize)
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
