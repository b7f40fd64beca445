/** Planted faults of `@holdfast/proofs`: mistakes that an implementer of these formats makes. */
import type { Mutant, MutantSuite } from './plant.ts'

const mutants: readonly Mutant[] = [
  // sizes
  {
    name: 'quads rounded down',
    exports: ['quadCountOf', 'expandedSizeOf'],
    file: 'sizes.ts',
    find: '/ QUAD_RAW_SIZE_BYTES + (rest === 0 ? 0 : 1)',
    replace: '/ QUAD_RAW_SIZE_BYTES',
    tests: ['sizes']
  },
  {
    name: 'leaf count rounded down',
    exports: ['leafCountOf'],
    file: 'sizes.ts',
    find: 'Math.ceil((rest * LEAVES_PER_QUAD)',
    replace: 'Math.floor((rest * LEAVES_PER_QUAD)',
    tests: ['sizes']
  },
  {
    name: 'height off by one at full trees',
    exports: ['heightOf', 'paddedSizeOf'],
    file: 'sizes.ts',
    find: 'capacity < quads',
    replace: 'capacity <= quads',
    tests: ['sizes']
  },
  {
    name: 'padding counted in expanded bytes',
    exports: ['paddingOf'],
    file: 'sizes.ts',
    find: 'rawCapacityOf(heightOf(rawSize)) - rawSize',
    replace: 'paddedSizeOf(rawSize) - rawSize',
    tests: ['sizes']
  },
  {
    name: 'capacity in bits that wrap at 2^31',
    exports: ['rawCapacityOf'],
    file: 'sizes.ts',
    find: 'QUAD_RAW_SIZE_BYTES * 2 ** (height - HEIGHT_MIN)',
    replace: 'QUAD_RAW_SIZE_BYTES << (height - HEIGHT_MIN)',
    tests: ['sizes']
  },
  // fr32
  {
    name: 'wrong mask on a leaf',
    exports: ['expandFr32'],
    file: 'fr32.ts',
    find: 'const LAST_WORD_MASK = 0x3fffffff',
    replace: 'const LAST_WORD_MASK = 0x7fffffff',
    tests: ['fr32']
  },
  {
    name: 'wrong shift in the byte form, which only unaligned targets take',
    exports: ['expandFr32'],
    file: 'fr32.ts',
    find: '(raw[from + i]! << 4) | (raw[from + i - 1]! >> 4)',
    replace: '(raw[from + i]! << 4) | (raw[from + i - 1]! >> 6)',
    tests: ['fr32']
  },
  {
    name: 'bits of the next group lost',
    exports: ['compactFr32'],
    file: 'fr32.ts',
    find: '(expanded[from + 95]! >> 4) | (expanded[from + 96]! << 2)',
    replace: 'expanded[from + 95]! >> 4',
    tests: ['fr32']
  },
  {
    name: 'unchecked padding bits',
    exports: ['compactFr32', 'ProofError'],
    file: 'fr32.ts',
    find: 'if (expanded[offset]! > 0x3f)',
    replace: 'if (expanded[offset]! > 0x7f)',
    tests: ['fr32']
  },
  {
    name: 'a started unit forgotten between chunks',
    exports: ['createExpander'],
    file: 'unit-cutter.ts',
    find: 'if (startedSize === 0) return 0',
    replace: 'if (startedSize <= 1) return 0',
    tests: ['fr32']
  },
  {
    name: 'zeros behind the piece handed out',
    exports: ['createCompactor'],
    file: 'fr32-stream.ts',
    find: 'out.push(raw.subarray(0, missing))',
    replace: 'out.push(raw)',
    tests: ['fr32']
  },
  {
    name: 'a source that ends early taken for whole',
    exports: ['createCompactor'],
    file: 'fr32-stream.ts',
    find: 'if (got === rawSize) return',
    replace: 'if (got <= rawSize) return',
    tests: ['fr32']
  },
  // CIDs
  {
    name: 'padding of the expanded size in the CID',
    exports: ['encodePieceCid'],
    file: 'piece-cid.ts',
    find: 'const padding = paddingOf(rawSize)\n',
    replace: 'const padding = paddingOf(rawSize) + 1\n',
    tests: ['piece-cid']
  },
  {
    name: 'a height that the size does not need',
    exports: ['decodePieceCid'],
    file: 'piece-cid.ts',
    find: 'if (heightOf(Number(rawSize)) !== height)',
    replace: 'if (heightOf(Number(rawSize)) > height)',
    tests: ['piece-cid']
  },
  {
    name: 'idle bytes in a varint',
    exports: ['decodePieceCid'],
    file: 'piece-cid.ts',
    find: 'bytes.length > 1 && bytes[bytes.length - 1] === 0',
    replace: 'bytes.length > 2 && bytes[bytes.length - 1] === 0',
    tests: ['piece-cid']
  },
  {
    name: 'bytes behind a CID',
    exports: ['decodePieceCid'],
    file: 'piece-cid.ts',
    find: 'multihashSize !== digest.length',
    replace: 'multihashSize > digest.length',
    tests: ['piece-cid']
  },
  {
    name: 'text that encoding does not give',
    exports: ['parsePieceCid'],
    file: 'piece-cid.ts',
    find: 'return base32.encode(bytes) === text ? bytes : undefined',
    replace: 'return bytes',
    tests: ['piece-cid']
  },
  {
    name: 'v1 under the code of v2',
    exports: ['encodePieceCidV1'],
    file: 'piece-cid.ts',
    find: 'createMultihash(V1_MULTIHASH_CODE, root)',
    replace: 'createMultihash(PIECE_MULTIHASH_CODE, root)',
    tests: ['piece-cid']
  },
  {
    name: 'a v1 root of any length',
    exports: ['decodePieceCidV1'],
    file: 'piece-cid.ts',
    find: 'bytes.length !== V1_PREFIX.length + LEAF_SIZE_BYTES',
    replace: 'bytes.length < V1_PREFIX.length + LEAF_SIZE_BYTES',
    tests: ['piece-cid']
  },
  // hashers
  {
    name: 'one bit of the mask missing',
    exports: [],
    file: 'node-hasher.ts',
    find: 'nodes[last]! &= 0x3f',
    replace: 'nodes[last]! &= 0x7f',
    tests: ['node-hasher']
  },
  {
    name: 'the first byte masked, not the last',
    exports: [],
    file: 'node-hasher.ts',
    find: 'let last = LEAF_SIZE_BYTES - 1',
    replace: 'let last = 0',
    tests: ['node-hasher']
  },
  {
    name: 'half a node hashed by the portable hasher',
    exports: [],
    file: 'node-hasher.ts',
    find: '2 * offset + PAIR_SIZE_BYTES))',
    replace: '2 * offset + PAIR_SIZE_BYTES - 1))',
    tests: ['node-hasher']
  },
  {
    name: 'native nodes without the mask',
    exports: ['loadNativeNodeHasher'],
    file: 'native.ts',
    find: '      maskNodes(parents)\n',
    replace: '',
    tests: ['node-hasher']
  },
  {
    name: 'silent fallback to the portable hasher',
    exports: ['loadNodeHasher'],
    file: 'native.ts',
    find: 'return loadNativeNodeHasher()',
    replace: 'return loadNativeNodeHasher().catch(() => portableNodeHasher)',
    tests: ['node-hasher']
  },
  {
    name: 'zero chain one level short',
    exports: ['zeroNode'],
    file: 'zero-nodes.ts',
    find: 'const node = zeroNodes[level]',
    replace: 'const node = zeroNodes[Math.max(0, level - 1)]',
    tests: ['node-hasher']
  },
  // pieces
  {
    name: 'an odd node paired with what stood there before',
    exports: ['createPieceHasher'],
    file: 'piece-tree.ts',
    find: '      nodes.set(zeroNode(current), count * LEAF_SIZE_BYTES)\n',
    replace: '',
    tests: ['piece-hasher']
  },
  {
    name: 'zeros of the wrong level beside a block of the layer',
    exports: ['createPieceHasher', 'joinParts'],
    file: 'piece-tree.ts',
    find: 'raiseInPlace(block, part.length / LEAF_SIZE_BYTES, level, next, nodeHasher)',
    replace: 'raiseInPlace(block, part.length / LEAF_SIZE_BYTES, 0, next - level, nodeHasher)',
    tests: ['piece-hasher']
  },
  {
    name: 'nodes of one part in the next',
    exports: ['createPartHasher', 'createPieceHasher'],
    file: 'piece-parts.ts',
    find: '      layers = []\n',
    replace: '',
    tests: ['piece-hasher']
  },
  {
    name: 'a layer above the root of a small piece',
    exports: ['createPartHasher'],
    file: 'piece-parts.ts',
    find: 'const height = Math.min(cachedLayerHeight, heightOf(rawSize))',
    replace: 'const height = cachedLayerHeight',
    tests: ['piece-hasher']
  },
  {
    name: 'one byte more than the largest piece',
    exports: ['createPartHasher'],
    file: 'piece-parts.ts',
    find: "expectInteger('bytes of the piece', rawSize + bytes.length, 0, PIECE_SIZE_BYTES_MAX)",
    replace: "expectInteger('bytes of the piece', rawSize, 0, PIECE_SIZE_BYTES_MAX)",
    tests: ['piece-hasher']
  },
  {
    name: 'a small last part joined without meeting its zeros',
    exports: ['joinParts'],
    file: 'piece-parts.ts',
    find: '  raiseInPlace(pair, 1, layer.height, height, nodeHasher)\n',
    replace: '',
    tests: ['piece-parts']
  },
  {
    name: 'parts off the grid joined',
    exports: ['joinParts'],
    file: 'piece-parts.ts',
    find: 'rawSize === 0 || rawSize % subtreeSize !== 0',
    replace: 'rawSize === 0',
    tests: ['piece-parts']
  },
  // challenges
  {
    name: 'little-endian challenge number',
    exports: ['deriveChallenges'],
    file: 'challenge.ts',
    find: 'view.setBigUint64(2 * UINT256_SIZE_BYTES, BigInt(i))',
    replace: 'view.setBigUint64(2 * UINT256_SIZE_BYTES, BigInt(i), true)',
    tests: ['challenge']
  },
  {
    name: 'prefix sum off by one',
    exports: ['locateLeaf', 'locateLeaves'],
    file: 'challenge.ts',
    find: 'if (sums[middle]! > index)',
    replace: 'if (sums[middle]! >= index)',
    tests: ['challenge']
  },
  {
    name: 'leaf counted from the start of the deal',
    exports: ['locateLeaf'],
    file: 'challenge.ts',
    find: 'Number(index - (sums[low - 1] ?? 0n))',
    replace: 'Number(index)',
    tests: ['challenge']
  },
  {
    name: 'sums without the piece itself',
    exports: ['sumLeafCounts'],
    file: 'challenge.ts',
    find: '    sum += BigInt(count)\n    return sum',
    replace: '    sum += BigInt(count)\n    return sum - BigInt(count)',
    tests: ['challenge']
  },
  {
    name: 'samples rounded down',
    exports: ['samplesFor'],
    file: 'soundness.ts',
    find: 'Math.ceil(Math.log1p(-confidence)',
    replace: 'Math.floor(Math.log1p(-confidence)',
    tests: ['soundness']
  },
  {
    name: 'one sample too many where logarithms round up',
    exports: ['samplesFor'],
    file: 'soundness.ts',
    find: '>= confidence',
    replace: '> confidence',
    tests: ['soundness']
  },
  {
    name: 'probability of a miss for that of a hit',
    exports: ['detectionProbability'],
    file: 'soundness.ts',
    find: 'return -Math.expm1(',
    replace: 'return Math.exp(',
    tests: ['soundness']
  },
  // proofs
  {
    name: 'swapped sibling',
    exports: ['proveEachLeaf'],
    file: 'leaf-proof.ts',
    find: 'index % 2 === 0 ? index + 1 : index - 1',
    replace: 'index % 2 === 1 ? index + 1 : index - 1',
    tests: ['leaf-proof']
  },
  {
    name: 'zero siblings left out of a leaf proof',
    exports: ['verifyLeaf', 'verifyEachLeaf'],
    file: 'leaf-proof.ts',
    find: 'dataLeafCount: 2 ** height',
    replace: 'dataLeafCount: leafCountOf(rawSize)',
    tests: ['leaf-proof']
  },
  {
    name: 'unchecked number of siblings: an inner node passes for a leaf',
    exports: ['verifyLeaf', 'verifyEachLeaf'],
    file: 'leaf-proof.ts',
    find: "if (siblings.length !== height * LEAF_SIZE_BYTES) return 'wrong-node-count'\n",
    replace: '',
    tests: ['leaf-proof']
  },
  {
    name: 'a bad proof spoils its neighbour',
    exports: ['verifyEachLeaf', 'verifyEachMultiProof'],
    file: 'proof-fold.ts',
    find: "if (typeof job === 'string') return { ok: false, reason: job }",
    replace: "if (typeof job === 'string') return { ok: proved.next().value === true } as ProofVerdict",
    tests: ['leaf-proof']
  },
  {
    name: 'root compared but for its last byte',
    exports: ['verifyLeaf', 'verifyLeaves', 'verifyLeafRange'],
    file: 'proof-fold.ts',
    find: 'i < LEAF_SIZE_BYTES; i++) if (bytes[offset',
    replace: 'i < LEAF_SIZE_BYTES - 1; i++) if (bytes[offset',
    tests: ['leaf-proof']
  },
  {
    name: 'nodes to the right of all data sent as well',
    exports: ['proveLeaves', 'multiProofSizeBytes'],
    file: 'leaf-runs.ts',
    find: 'isRightChild(end) && end < dataCount',
    replace: 'isRightChild(end)',
    tests: ['multi-proof']
  },
  {
    name: 'neighbours not merged on the way up',
    exports: ['proveLeaves', 'verifyLeaves'],
    file: 'leaf-runs.ts',
    find: 'raised > 0 && runs[raised - 1] === start',
    replace: 'raised < 0 && runs[raised - 1] === start',
    tests: ['multi-proof']
  },
  {
    name: 'indices cut to 32 bits',
    exports: ['verifyLeaves'],
    file: 'leaf-runs.ts',
    find: 'const start = Math.floor(runs[i]! / 2)',
    replace: 'const start = runs[i]! >>> 1',
    tests: ['multi-proof']
  },
  {
    name: 'zero node of the level below',
    exports: ['verifyLeaves', 'verifyEachMultiProof'],
    file: 'proof-fold.ts',
    find: 'zero.bytes.set(zeroNode(level))',
    replace: 'zero.bytes.set(zeroNode(Math.max(0, level - 1)))',
    tests: ['multi-proof']
  },
  {
    name: 'nodes of a multi-proof uncounted',
    exports: ['verifyLeaves', 'verifyEachMultiProof'],
    file: 'multi-proof.ts',
    find: "if (nodes.length !== nodesSize) return 'wrong-node-count'\n",
    replace: '',
    tests: ['multi-proof']
  },
  {
    name: 'size of the leaves forgotten',
    exports: ['multiProofSizeBytes'],
    file: 'multi-proof.ts',
    find: 'return leavesSize + nodesSize',
    replace: 'return nodesSize',
    tests: ['multi-proof']
  },
  {
    name: 'repeated leaves proved twice',
    exports: ['proveLeaves'],
    file: 'piece-source.ts',
    find: 'return [...new Set(values)].sort',
    replace: 'return [...values].sort',
    tests: ['multi-proof']
  },
  {
    name: 'whole subtree read past the end of the piece',
    exports: ['proveLeaves', 'proveEachLeaf'],
    file: 'piece-source.ts',
    find: 'Math.min(subtreeRawSize, source.commitment.rawSize - offset)',
    replace: 'subtreeRawSize',
    tests: ['piece-source']
  },
  {
    name: 'bytes of the subtree before behind the end of the piece',
    exports: ['proveLeaves', 'proveEachLeaf'],
    file: 'piece-source.ts',
    find: '  leaves.fill(0, expandedSize)\n',
    replace: '',
    tests: ['leaf-proof']
  },
  {
    name: 'a signal that is accepted and ignored',
    exports: ['proveLeaves', 'proveEachLeaf'],
    file: 'piece-source.ts',
    find: '  signal?.throwIfAborted()\n',
    replace: '',
    tests: ['piece-source']
  },
  {
    name: 'siblings of the layer above the cached one',
    exports: ['proveEachLeaf'],
    file: 'piece-source.ts',
    find: 'nodeOf(upper[level - layer.height]!, index)',
    replace: 'nodeOf(upper[Math.max(0, level - layer.height - 1)]!, index)',
    tests: ['leaf-proof']
  },
  // ranges
  {
    name: 'the last quad cut at the end of the range',
    exports: ['enclosingQuads', 'leafRangeOf'],
    file: 'range-proof.ts',
    find: 'Math.min(end - overhang + QUAD_RAW_SIZE_BYTES, rawSize)',
    replace: 'end',
    tests: ['range-proof']
  },
  {
    name: 'leaves behind the data counted into the range',
    exports: ['leafRangeOf'],
    file: 'range-proof.ts',
    find: 'end: start + leafCountOf(size)',
    replace: 'end: start + Math.ceil(size / QUAD_RAW_SIZE_BYTES) * LEAVES_PER_QUAD',
    tests: ['range-proof']
  },
  {
    name: 'one node left out of the plan of a range',
    exports: ['proveLeafRange', 'proveRange'],
    file: 'range-proof.ts',
    find: 'readNodes(options, planRange(range, commitment.rawSize))',
    replace: 'readNodes(options, planRange(range, commitment.rawSize).slice(1))',
    tests: ['range-proof']
  },
  {
    name: 'nodes of a range uncounted',
    exports: ['verifyLeafRange', 'verifyRange'],
    file: 'range-proof.ts',
    find: "  if (nodes.length !== nodesSize) return 'wrong-node-count'\n",
    replace: '',
    tests: ['range-proof']
  },
  {
    name: 'a range of any number of bytes',
    exports: ['verifyRange'],
    file: 'range-proof.ts',
    find: "  if (bytes.length !== quads.size) return { ok: false, reason: 'wrong-data-size' }\n",
    replace: '',
    tests: ['range-proof']
  },
  {
    name: 'size of the range in nodes, not bytes',
    exports: ['rangeProofSizeBytes'],
    file: 'range-proof.ts',
    find: 'planRange(range, rawSize).length * LEAF_SIZE_BYTES',
    replace: 'planRange(range, rawSize).length',
    tests: ['range-proof']
  },
  // blocks
  {
    name: 'a block that does not hash to its CID',
    exports: ['verifyBlock'],
    file: 'block-binding.ts',
    find: "  if (!equals(digest, cid.multihash.digest)) return refuse('wrong-block')\n",
    replace: '',
    tests: ['block-binding']
  },
  {
    name: 'a block that lies in no piece',
    exports: ['verifyBlock'],
    file: 'block-binding.ts',
    find: 'return verdict.ok ? { ok: true, data }',
    replace: 'return verdict !== undefined ? { ok: true, data }',
    tests: ['block-binding']
  },
  {
    name: 'a section longer than it says',
    exports: ['verifyBlock'],
    file: 'block-binding.ts',
    find: 'size === section.length - prefixSize',
    replace: 'size <= section.length - prefixSize',
    tests: ['block-binding']
  },
  {
    name: 'bytes of the section without those of its quads',
    exports: ['proveBlock'],
    file: 'block-binding.ts',
    find: 'readExactly(options, quads.offset, quads.size)',
    replace: 'readExactly(options, section.offset, section.size)',
    tests: ['block-binding']
  }
]

export const proofsMutants: MutantSuite = {
  name: 'proofs',
  packageName: 'proofs',
  async exportedFunctions() {
    const modules = [await import('@holdfast/proofs'), await import('@holdfast/proofs/native')]
    const named = modules.flatMap(module => Object.entries(module))
    return named.filter(([, value]) => typeof value === 'function').map(([name]) => name)
  },
  mutants
}
