/** What `@holdfast/proofs` takes from strangers, and what must hold whatever they send. */
import { createHash } from 'node:crypto'
import {
  compactFr32,
  createPieceHasher,
  decodePieceCid,
  decodePieceCidV1,
  enclosingQuads,
  encodePieceCid,
  encodePieceCidV1,
  expandFr32,
  ProofError,
  parsePieceCid,
  portableNodeHasher,
  proveBlock,
  proveEachLeaf,
  proveLeaves,
  proveRange,
  verifyBlock,
  verifyLeaf,
  verifyLeaves,
  verifyRange
} from '@holdfast/proofs'
import { CID } from 'multiformats/cid'
import { create as createMultihash } from 'multiformats/hashes/digest'
import type { FuzzTarget } from './fuzz.ts'

const nodeHasher = portableNodeHasher

function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) throw new Error('took bytes that are not the valid ones')
}

function bytesOf(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 167 + (i >> 8) * 13) & 0xff)
}

// A piece with one CARv1 section in its middle.
const blockData = bytesOf(150)
const cid = CID.createV1(0x55, createMultihash(0x12, createHash('sha256').update(blockData).digest()))
const sectionBytes = Buffer.concat([Uint8Array.of(0xba, 0x01), cid.bytes, blockData])
const section = { offset: 700, size: sectionBytes.length }
const piece = new Uint8Array(Buffer.concat([bytesOf(section.offset), sectionBytes, bytesOf(900)]))

const hasher = createPieceHasher({ nodeHasher, cachedLayerHeight: 3 })
hasher.update(piece)
const commitment = hasher.digest()
const source = {
  read: (offset: number, size: number) => Promise.resolve(piece.subarray(offset, offset + size)),
  commitment,
  layer: commitment.layer,
  nodeHasher
}

const leafIndices = [3, 20, 21, 55]
const [leafProof] = await proveEachLeaf({ ...source, leafIndices: [20] })
const multiProof = await proveLeaves({ ...source, leafIndices })
const range = { offset: 300, size: 200 }
const quads = enclosingQuads(range, piece.length)
const rangeBytes = piece.subarray(quads.offset, quads.offset + quads.size)
const rangeNodes = await proveRange({ ...source, range })
const blockProof = await proveBlock({ ...source, section })

/** Two byte arrays as one: the first one's length in two bytes, then both. */
function pack(first: Uint8Array, second: Uint8Array): Uint8Array {
  return Uint8Array.of(first.length >> 8, first.length & 0xff, ...first, ...second)
}

function unpack(input: Uint8Array): [Uint8Array, Uint8Array] {
  const size = ((input[0] ?? 0) << 8) | (input[1] ?? 0)
  return [input.slice(2, 2 + size), input.slice(2 + size)]
}

const pieceCids = [0, 1, 127, 1000, 1_065_353_216, Number.MAX_SAFE_INTEGER].map(rawSize =>
  encodePieceCid({ rawSize, root: commitment.root })
)

export const proofsTargets: readonly FuzzTarget[] = [
  {
    name: 'proofs/decodePieceCid',
    samples: pieceCids.map(pieceCid => pieceCid.bytes),
    run(input) {
      const verdict = decodePieceCid(input)
      if (verdict.ok) expectSame(encodePieceCid(verdict.commitment).bytes, input)
    }
  },
  {
    name: 'proofs/parsePieceCid',
    samples: pieceCids.map(pieceCid => Buffer.from(pieceCid.toString())),
    run(input) {
      const text = Buffer.from(input).toString('latin1')
      const verdict = parsePieceCid(text)
      if (verdict.ok) expectSame(Buffer.from(encodePieceCid(verdict.commitment).toString()), input)
    }
  },
  {
    name: 'proofs/decodePieceCidV1',
    samples: [encodePieceCidV1(commitment.root).bytes],
    run(input) {
      const verdict = decodePieceCidV1(input)
      if (verdict.ok) expectSame(encodePieceCidV1(verdict.root).bytes, input)
    }
  },
  {
    name: 'proofs/compactFr32',
    samples: [1, 3].map(count => {
      const expanded = new Uint8Array(128 * count)
      expandFr32(piece.subarray(0, 127 * count), expanded)
      return expanded
    }),
    run(input) {
      const expanded = input.subarray(0, input.length - (input.length % 128))
      const raw = new Uint8Array((expanded.length / 128) * 127)
      try {
        compactFr32(expanded, raw)
      } catch (error) {
        if (error instanceof ProofError && error.code === 'NOT_FR32') return
        throw error
      }
      const again = new Uint8Array(expanded.length)
      expandFr32(raw, again)
      expectSame(again, expanded)
    }
  },
  {
    name: 'proofs/verifyLeaf',
    samples: [pack(leafProof!.leaf, leafProof!.siblings)],
    run(input) {
      const [leaf, siblings] = unpack(input)
      const verdict = verifyLeaf({ commitment, leafIndex: 20, proof: { leaf, siblings }, nodeHasher })
      if (verdict.ok) expectSame(pack(leaf, siblings), pack(leafProof!.leaf, leafProof!.siblings))
    }
  },
  {
    name: 'proofs/verifyLeaves',
    samples: [pack(multiProof.leaves, multiProof.nodes)],
    run(input) {
      const [leaves, nodes] = unpack(input)
      const verdict = verifyLeaves({ commitment, leafIndices, proof: { leaves, nodes }, nodeHasher })
      if (verdict.ok) expectSame(pack(leaves, nodes), pack(multiProof.leaves, multiProof.nodes))
    }
  },
  {
    name: 'proofs/verifyRange',
    samples: [pack(rangeBytes, rangeNodes)],
    run(input) {
      const [bytes, nodes] = unpack(input)
      const verdict = verifyRange({ commitment, range, bytes, nodes, nodeHasher })
      if (verdict.ok) expectSame(pack(bytes, nodes), pack(rangeBytes, rangeNodes))
    }
  },
  {
    name: 'proofs/verifyBlock',
    samples: [
      Uint8Array.of(
        section.offset >> 8,
        section.offset & 0xff,
        section.size,
        ...pack(blockProof.bytes, blockProof.nodes)
      )
    ],
    run(input) {
      const [high = 0, low = 0, size = 0] = input
      const [bytes, nodes] = unpack(input.subarray(3))
      const proof = { section: { offset: (high << 8) | low, size }, bytes, nodes }
      const verdict = verifyBlock({ commitment, cid, proof, nodeHasher })
      if (verdict.ok) expectSame(verdict.data, blockData)
    }
  }
]
