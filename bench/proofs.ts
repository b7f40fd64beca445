/** Speed of `@holdfast/proofs` beside the libraries that do the same work. */
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CACHED_LAYER_HEIGHT,
  type CachedLayer,
  createPieceHasher,
  deriveChallenges,
  expandedSizeOf,
  expandFr32,
  LEAF_SIZE_BYTES,
  type LeafProofClaim,
  leafCountOf,
  leafRangeOf,
  type NodeHasher,
  PIECE_SIZE_BYTES_MAX,
  type PieceDigest,
  portableNodeHasher,
  proveEachLeaf,
  type ReadPiece,
  rangeProofSizeBytes,
  rawCapacityOf,
  verifyEachLeaf
} from '@holdfast/proofs'
import { loadNativeNodeHasher } from '@holdfast/proofs/native'
import { Proof as SegmentProof } from '@web3-storage/data-segment'
import { create as createSegmentHasher } from '@web3-storage/data-segment/multihash'
import { create as createWasmHasher } from 'fr32-sha2-256-trunc254-padded-binary-tree-multihash'
import {
  type BenchOptions,
  type Contender,
  compare,
  KIB,
  MB,
  MIB,
  type Row,
  type Suite,
  seededBytes
} from './harness.ts'

/** Peers that are dependencies of the package itself: the very copies that it uses. */
const requireOfProofs = createRequire(new URL('../packages/proofs/package.json', import.meta.url))
const { hashInto } = requireOfProofs('@chainsafe/hashtree') as typeof import('@chainsafe/hashtree')
const { sha256 } = requireOfProofs('@noble/hashes/sha2.js') as { sha256(bytes: Uint8Array): Uint8Array }

const nativeNodeHasher = await loadNativeNodeHasher()

/** The number of leaves that find a loss of 1 % with 99 %, and one. */
const CHALLENGE_COUNT = 460
/** The same, spread over the hours of a day. */
const ROUND_CHALLENGE_COUNT = 20

export const proofsSuite: Suite = {
  name: 'proofs',
  async *rows(options) {
    yield* commitmentOneThread(options)
    yield* commitmentPortable(options)
    yield* batchVerify(options)
    yield* prove(options)
    yield rangeOverhead()
  }
}

function hashWith(nodeHasher: NodeHasher, bytes: Uint8Array): PieceDigest {
  const hasher = createPieceHasher({ nodeHasher })
  hasher.update(bytes)
  return hasher.digest()
}

async function* commitmentOneThread(options: BenchOptions): AsyncIterable<Row> {
  const size = options.quick ? 16 * MIB : 256 * MIB
  const bytes = seededBytes(size)
  const expanded = new Uint8Array(expandedSizeOf(size))
  expandFr32(bytes, expanded)
  const slab = new Uint8Array(MIB / 2)
  yield* await compare(
    {
      row: 'commitment-1-thread',
      unit: 'MB/s',
      figure: 'rate',
      ours: { name: 'native', work: size / MB, run: () => hashWith(nativeNodeHasher, bytes) },
      peers: [
        { name: 'fr32-wasm', work: size / MB, run: () => hashWithWasm(bytes) },
        { name: 'hashtree-nodes-only', work: size / MB, run: () => hashNodesOnly(expanded, slab) }
      ]
    },
    options
  )
}

function hashWithWasm(bytes: Uint8Array): Uint8Array {
  const hasher = createWasmHasher()
  // Chunks of 64 KiB are its fastest: one write of the whole buffer takes a third longer.
  for (let offset = 0; offset < bytes.length; offset += 64 * KIB)
    hasher.write(bytes.subarray(offset, offset + 64 * KIB))
  const digest = new Uint8Array(hasher.multihashByteLength())
  hasher.digestInto(digest, 0, true)
  hasher.free()
  return digest
}

/** The tree's nodes without fr32 and without masks: 1 MiB of leaves after another, each hashed up in place. */
function hashNodesOnly(expanded: Uint8Array, slab: Uint8Array): void {
  const width = 2 * slab.length
  for (let offset = 0; offset < expanded.length; offset += width) {
    const leaves = expanded.subarray(offset, offset + width)
    hashInto(leaves, slab.subarray(0, leaves.length / 2))
    for (let size = leaves.length / 2; size > LEAF_SIZE_BYTES; size /= 2) {
      // The last slab is whatever quads are left: an odd node waits there for a zero beside it.
      size += size % (2 * LEAF_SIZE_BYTES)
      hashInto(slab.subarray(0, size), slab.subarray(0, size / 2))
    }
  }
}

async function* commitmentPortable(options: BenchOptions): AsyncIterable<Row> {
  const size = options.quick ? 2 * MIB : 16 * MIB
  const bytes = seededBytes(size)
  yield* await compare(
    {
      row: 'commitment-portable',
      unit: 'MB/s',
      figure: 'rate',
      ours: { name: 'portable', work: size / MB, run: () => hashWith(portableNodeHasher, bytes) },
      peers: [{ name: 'data-segment', work: size / MB, run: () => createSegmentHasher().write(bytes).digest() }]
    },
    options
  )
}

async function* batchVerify(options: BenchOptions): AsyncIterable<Row> {
  const claims = Array.from({ length: CHALLENGE_COUNT }, (_, i) => proofOfChance(25, i))
  const segmentClaims = claims.map(({ commitment, leafIndex, proof }) => ({
    proof: SegmentProof.from({ offset: BigInt(leafIndex), path: inNodes(proof.siblings) }),
    claim: { tree: commitment.root, node: proof.leaf }
  }))
  yield* await compare(
    {
      row: 'batch-verify',
      unit: 'k proofs/s',
      figure: 'rate',
      ours: {
        name: 'batch',
        work: CHALLENGE_COUNT / 1000,
        run: () => expectAll(verifyEachLeaf({ claims, nodeHasher: nativeNodeHasher }).map(verdict => verdict.ok))
      },
      peers: [
        {
          name: 'data-segment',
          work: CHALLENGE_COUNT / 1000,
          run: () =>
            expectAll(segmentClaims.map(({ proof, claim }) => SegmentProof.verify(proof, claim).ok !== undefined))
        },
        { name: 'noble', work: CHALLENGE_COUNT / 1000, run: () => expectAll(claims.map(verifyWithNoble)) }
      ]
    },
    options
  )
}

/** A proof that verifies: a leaf and siblings of chance, and the root that they lead to. */
function proofOfChance(height: number, seed: number): LeafProofClaim {
  const bytes = seededBytes((height + 1) * LEAF_SIZE_BYTES, seed + 1)
  const proof = { leaf: bytes.subarray(0, LEAF_SIZE_BYTES), siblings: bytes.subarray(LEAF_SIZE_BYTES) }
  const rawSize = rawCapacityOf(height)
  const leafIndex = (seed * 71_993) % leafCountOf(rawSize)
  return { commitment: { rawSize, root: foldWithNoble(proof.leaf, proof.siblings, leafIndex) }, leafIndex, proof }
}

function foldWithNoble(leaf: Uint8Array, siblings: Uint8Array, leafIndex: number): Uint8Array {
  const pair = new Uint8Array(2 * LEAF_SIZE_BYTES)
  let node = leaf
  for (let offset = 0, index = leafIndex; offset < siblings.length; offset += LEAF_SIZE_BYTES, index >>= 1) {
    const sibling = siblings.subarray(offset, offset + LEAF_SIZE_BYTES)
    pair.set(index % 2 === 0 ? node : sibling, 0)
    pair.set(index % 2 === 0 ? sibling : node, LEAF_SIZE_BYTES)
    node = sha256(pair)
    node[LEAF_SIZE_BYTES - 1]! &= 0x3f
  }
  return node
}

function verifyWithNoble({ commitment, leafIndex, proof }: LeafProofClaim): boolean {
  return Buffer.compare(foldWithNoble(proof.leaf, proof.siblings, leafIndex), commitment.root) === 0
}

function inNodes(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / LEAF_SIZE_BYTES }, (_, i) =>
    bytes.subarray(i * LEAF_SIZE_BYTES, (i + 1) * LEAF_SIZE_BYTES)
  )
}

function expectAll(verdicts: readonly boolean[]): void {
  if (!verdicts.every(verdict => verdict)) throw new Error('a valid proof was refused: the comparison is worth nothing')
}

/** A piece in a file, as providers keep it. */
interface FilePiece {
  read: ReadPiece
  digest: PieceDigest
}

/** Time of one challenge, from a file in the page cache, and what it would be with other layers. */
async function* prove(options: BenchOptions): AsyncIterable<Row> {
  const rawSize = options.quick ? rawCapacityOf(21) : PIECE_SIZE_BYTES_MAX
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  const file = await open(join(folder, 'piece'), 'w+')
  try {
    const piece = await writePiece(file, rawSize)
    const ours = proverWithLayer(piece, CACHED_LAYER_HEIGHT, CHALLENGE_COUNT)
    const curio = proverOneByOne(piece, options.quick ? 8 : CHALLENGE_COUNT)
    yield* await compare({ row: 'prove', unit: 'ms each', figure: 'time', ours, peers: [curio] }, options)
    // Why this layer: a day's challenges at once, and an hour's, from smaller and larger caches.
    for (const [row, count] of [
      ['prove-by-layer', CHALLENGE_COUNT],
      ['round-by-layer', ROUND_CHALLENGE_COUNT]
    ] as const) {
      const [chosen, ...others] = [CACHED_LAYER_HEIGHT, 5, 7, 8, 10, 12, 14].map(height =>
        proverWithLayer(piece, height, count)
      )
      yield* await compare({ row, unit: 'ms each', figure: 'time', ours: chosen!, peers: others }, options)
    }
  } finally {
    await file.close()
    await rm(folder, { recursive: true })
  }
}

const LOWEST_LAYER_HEIGHT = 5

/** Writes a piece that fills its tree, so that every layer has whole pairs. */
async function writePiece(file: FileHandle, rawSize: number): Promise<FilePiece> {
  const hasher = createPieceHasher({ nodeHasher: nativeNodeHasher, cachedLayerHeight: LOWEST_LAYER_HEIGHT })
  const chunk = seededBytes(rawCapacityOf(17))
  for (let offset = 0; offset < rawSize; offset += chunk.length) {
    chunk[0]! += 1
    hasher.update(chunk)
    await file.write(chunk, 0, chunk.length, offset)
  }
  const read: ReadPiece = async (offset, size) => {
    const { bytesRead, buffer } = await file.read(new Uint8Array(size), 0, size, offset)
    return buffer.subarray(0, bytesRead)
  }
  return { read, digest: hasher.digest() }
}

/** @returns a higher layer of a tree without padding */
function layerAt(layer: CachedLayer, height: number): CachedLayer {
  let { nodes } = layer
  for (let level = layer.height; level < height; level++) {
    const parents = new Uint8Array(nodes.length / 2)
    nativeNodeHasher.hashLayer(nodes, parents)
    nodes = parents
  }
  return { height, nodes }
}

function challengesOf(rawSize: number, count: number): number[] {
  const seed = new Uint8Array(32).fill(7)
  return deriveChallenges({ seed, dealId: 1n, range: BigInt(leafCountOf(rawSize)), count }).map(Number)
}

/** Answers all challenges in one call from a layer of this height. */
function proverWithLayer({ read, digest }: FilePiece, height: number, count: number): Contender {
  const layer = layerAt(digest.layer, height)
  const leafIndices = challengesOf(digest.rawSize, count)
  return {
    name: `layer ${height}: ${formatSize(layer.nodes.length)}`,
    work: count,
    run: () => proveEachLeaf({ read, commitment: digest, layer, nodeHasher: nativeNodeHasher, leafIndices })
  }
}

const CURIO_LAYER_HEIGHT = 17

/** Answers challenges one by one, each with the read of a subtree of 4 MiB. */
function proverOneByOne({ read, digest }: FilePiece, count: number): Contender {
  const layer = layerAt(digest.layer, CURIO_LAYER_HEIGHT)
  const leafIndices = challengesOf(digest.rawSize, count)
  return {
    name: 'whole-subtree-4MiB',
    work: count,
    async run() {
      for (const leafIndex of leafIndices)
        await proveEachLeaf({ read, commitment: digest, layer, nodeHasher: nativeNodeHasher, leafIndices: [leafIndex] })
    }
  }
}

function formatSize(bytes: number): string {
  return bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / KIB} KiB`
}

/** What a verified read of 1 MiB in the middle of 1 GiB costs beside its bytes: nothing is timed, sizes are exact. */
function rangeOverhead(): Row {
  const range = leafRangeOf({ offset: PIECE_SIZE_BYTES_MAX / 2 - 1000, size: MIB }, PIECE_SIZE_BYTES_MAX)
  const value = rangeProofSizeBytes({ rawSize: PIECE_SIZE_BYTES_MAX, range })
  return {
    row: 'range-overhead',
    value,
    unit: 'bytes',
    peer: 'bytes alone',
    peerValue: MIB,
    ratio: MIB / value,
    cpuSeconds: 0,
    rssMiB: process.memoryUsage.rss() / MIB
  }
}
