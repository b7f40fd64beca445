/**
 * Layers of large pieces, read in parts: a proof of one leaf in a piece of 1 GiB needs 8 KiB of its layer's 2 MiB, if what
 * lies above them is known. That is kept for the pieces proved last: some KiB each, worked out once from the whole layer.
 */
import { type CachedLayer, type NodeHasher, rootAbove, type SparseLayer } from '@holdfast/proofs'

const NODE_SIZE_BYTES = 32
/** Levels between the layer and what is kept of it: a part has 256 nodes, 8 KiB. */
const LEVELS_BETWEEN = 8
const NODES_PER_PART = 2 ** LEVELS_BETWEEN
/** Smaller layers are read whole: 64 KiB, of pieces of 32 MiB. */
const WHOLE_NODES_MAX = 2048
/** 32 MiB of memory, if all of them are of the largest pieces. */
const TOPS_KEPT_MAX = 4096

export interface LayerReads {
  /** Nodes of the piece's layer. */
  readonly count: number
  /** The whole layer, checked, and made again when it is not as it was written. */
  whole(): Promise<CachedLayer>
  /** Some of its nodes, as they stand on the disk; fewer where it ends. */
  part(first: number, count: number): Promise<Uint8Array>
}

export interface LayerTops {
  /** @param piece - PieceCIDv2 as text: what is kept of its tree holds whatever becomes of its files */
  open(piece: string, reads: LayerReads): Promise<CachedLayer | SparseLayer>
}

export function createLayerTops(nodeHasher: NodeHasher): LayerTops {
  const tops = new Map<string, { readonly top: CachedLayer; readonly height: number }>()

  function keep(piece: string, layer: CachedLayer) {
    const count = layer.nodes.length / NODE_SIZE_BYTES
    const height = layer.height + LEVELS_BETWEEN
    const nodes = new Uint8Array(Math.ceil(count / NODES_PER_PART) * NODE_SIZE_BYTES)
    for (let part = 0; part * NODES_PER_PART < count; part += 1) {
      const from = part * NODES_PER_PART * NODE_SIZE_BYTES
      const below = layer.nodes.subarray(from, from + NODES_PER_PART * NODE_SIZE_BYTES)
      nodes.set(rootAbove({ height: layer.height, nodes: below }, height, nodeHasher), part * NODE_SIZE_BYTES)
    }
    return note(piece, { top: { height, nodes }, height: layer.height })
  }

  /** The newest last. */
  function note(piece: string, known: { readonly top: CachedLayer; readonly height: number }) {
    tops.delete(piece)
    tops.set(piece, known)
    const [oldest] = tops.keys()
    if (tops.size > TOPS_KEPT_MAX) tops.delete(oldest!)
    return known
  }

  return {
    async open(piece, { count, whole, part }) {
      if (count <= WHOLE_NODES_MAX) return await whole()
      const known = tops.get(piece)
      const { top, height } = known === undefined ? keep(piece, await whole()) : note(piece, known)
      return {
        height,
        top,
        async readNodes(first, partCount) {
          const nodes = await part(first, partCount)
          const above = Math.floor(first / NODES_PER_PART) * NODE_SIZE_BYTES
          const isWhole =
            nodes.length === partCount * NODE_SIZE_BYTES &&
            Buffer.from(rootAbove({ height, nodes }, top.height, nodeHasher)).equals(
              top.nodes.subarray(above, above + NODE_SIZE_BYTES)
            )
          if (isWhole) return nodes
          const again = await whole()
          return again.nodes.subarray(first * NODE_SIZE_BYTES, (first + partCount) * NODE_SIZE_BYTES)
        }
      }
    }
  }
}
