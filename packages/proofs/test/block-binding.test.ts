import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create as createMultihash } from 'multiformats/hashes/digest'
import { describe, expect, test } from 'vitest'
import { type BlockClaim, enclosingQuads, proveBlock, verifyBlock } from '../src/index.ts'
import { nativeNodeHasher, nodeHashers, pieceOf, pieceOfSize } from './pieces.ts'
import { bitFlips, resizings } from './proof-mutations.ts'
import { anyBytes, assertProperty, fc } from './property.ts'
import { counterBytes } from './vectors.ts'

const RAW = 0x55

function cidOf(data: Uint8Array): CID {
  return CID.createV1(RAW, createMultihash(0x12, createHash('sha256').update(data).digest()))
}

/** A CARv1 section by its definition. */
function sectionOf(cid: CID, data: Uint8Array): Uint8Array {
  const length: number[] = []
  for (let rest = cid.bytes.length + data.length; ; rest >>= 7) {
    if (rest < 0x80) {
      length.push(rest)
      return Uint8Array.of(...length, ...cid.bytes, ...data)
    }
    length.push((rest & 0x7f) | 0x80)
  }
}

/** A piece that holds sections between other bytes, and where they stand. */
function pieceWith(sections: readonly Uint8Array[], gap = 59) {
  const parts = sections.flatMap(section => [counterBytes(gap), section])
  const piece = pieceOf(new Uint8Array(Buffer.concat([...parts, counterBytes(gap)])), 3)
  let offset = 0
  const ranges = sections.map(({ length }) => {
    offset += gap + length
    return { offset: offset - length, size: length }
  })
  return { ...piece, ranges }
}

test('any block of a piece is proved', async () => {
  const anyData = anyBytes(2000)
  await assertProperty(
    fc.asyncProperty(fc.array(anyData, { minLength: 1, maxLength: 4 }), fc.nat(300), async (blocks, gap) => {
      const { source, digest, ranges } = pieceWith(
        blocks.map(data => sectionOf(cidOf(data), data)),
        gap
      )
      for (const [i, data] of blocks.entries()) {
        const proof = await proveBlock({ ...source, section: ranges[i]! })
        for (const nodeHasher of nodeHashers)
          expect(verifyBlock({ commitment: digest, cid: cidOf(data), proof, nodeHasher })).toEqual({ ok: true, data })
      }
    }),
    { numRuns: 30 }
  )
})

describe('a valid proof', async () => {
  const data = counterBytes(700)
  const other = counterBytes(700, 'other')
  const cid = cidOf(data)
  const { source, digest, ranges, bytes } = pieceWith([sectionOf(cid, data), sectionOf(cidOf(other), other)])
  const section = ranges[0]!
  const proof = await proveBlock({ ...source, section })
  const verify = (spoiled: Partial<BlockClaim>) =>
    verifyBlock({ commitment: digest, cid, proof, nodeHasher: nativeNodeHasher, ...spoiled })
  const refused = (reason: string) => ({ ok: false, reason })

  test('is taken, and gives the data', () => {
    expect(verify({})).toEqual({ ok: true, data })
  })

  test('is refused for another block: no section of that CID stands there', () => {
    expect(verify({ cid: cidOf(other) })).toEqual(refused('wrong-range'))
    expect(verify({ cid: CID.createV1(0x70, cid.multihash) })).toEqual(refused('wrong-range'))
  })

  test('is refused when the data does not hash to the CID: wrong block', async () => {
    const lie = pieceWith([sectionOf(cid, other)])
    const lyingProof = await proveBlock({ ...lie.source, section: lie.ranges[0]! })
    expect(verify({ commitment: lie.digest, proof: lyingProof })).toEqual(refused('wrong-block'))
  })

  test('is refused against another piece: wrong piece', () => {
    expect(verify({ commitment: { ...digest, root: pieceOfSize(2000).digest.root } })).toEqual(refused('wrong-piece'))
  })

  test('is refused with any bit of its bytes or nodes changed', () => {
    const start = section.offset - enclosingQuads(section, digest.rawSize).offset
    for (const [i, spoiled] of bitFlips(proof.bytes).entries()) {
      const inData = i >= (start + section.size - data.length) * 8 && i < (start + section.size) * 8
      const inSection = i >= start * 8 && i < (start + section.size) * 8
      const reason = inData ? 'wrong-block' : inSection ? 'wrong-range' : 'wrong-piece'
      expect(verify({ proof: { ...proof, bytes: spoiled } })).toEqual(refused(reason))
    }
    for (const nodes of bitFlips(proof.nodes))
      expect(verify({ proof: { ...proof, nodes } })).toEqual(refused('wrong-piece'))
  })

  test('is refused at any other size', () => {
    for (const spoiled of resizings(proof.bytes))
      expect(verify({ proof: { ...proof, bytes: spoiled } })).toEqual(refused('wrong-range'))
    for (const nodes of resizings(proof.nodes))
      expect(verify({ proof: { ...proof, nodes } })).toEqual(refused('wrong-piece'))
  })

  test('is refused at any place where the section is not', () => {
    for (const { offset, size } of [
      { offset: section.offset + 1, size: section.size },
      { offset: section.offset, size: section.size - 1 },
      { offset: section.offset, size: section.size + 1 },
      { offset: section.offset, size: 1 },
      { offset: bytes.length, size: 1 },
      { offset: 0, size: bytes.length + 1 },
      { offset: -1, size: 5 },
      { offset: 0.5, size: 5 },
      { offset: Number.NaN, size: 5 },
      { offset: 0, size: 0 },
      { offset: '0', size: 5 }
    ])
      expect(verify({ proof: { ...proof, section: { offset, size } as never } })).toEqual(refused('wrong-range'))
  })

  test('is refused a quad further on, where the same bytes do not lie: wrong piece', () => {
    const moved = { offset: section.offset + 127, size: section.size }
    expect(verify({ proof: { ...proof, section: moved } })).toEqual(refused('wrong-piece'))
  })

  test('is refused, not thrown at, when it is none', () => {
    for (const foreign of [
      undefined,
      null,
      5,
      'proof',
      [],
      {},
      { ...proof, section: undefined },
      { ...proof, section: 5 },
      { ...proof, bytes: 5 },
      { ...proof, nodes: [] }
    ])
      expect(verify({ proof: foreign as never })).toEqual(refused('malformed'))
  })

  test('is not weighed for a CID or a commitment that the verifier cannot mean', () => {
    expect(() => verify({ cid: 'bafy' as never })).toThrow(new TypeError('cid: expected object, got string'))
    expect(() => verify({ commitment: { ...digest, root: new Uint8Array(1) } })).toThrow(RangeError)
    expect(() => verify({ commitment: null as never })).toThrow(TypeError)
  })
})

describe('hashes of CIDs', () => {
  async function verdictOf(code: number, digest: Uint8Array, data: Uint8Array) {
    const cid = CID.createV1(RAW, createMultihash(code, digest))
    const piece = pieceWith([sectionOf(cid, data)])
    const proof = await proveBlock({ ...piece.source, section: piece.ranges[0]! })
    return verifyBlock({ commitment: piece.digest, cid, proof, nodeHasher: nativeNodeHasher })
  }

  test('identity is its own data', async () => {
    expect(await verdictOf(0, counterBytes(20), counterBytes(20))).toMatchObject({ ok: true })
    expect(await verdictOf(0, counterBytes(20), counterBytes(21))).toEqual({ ok: false, reason: 'wrong-block' })
  })

  test('others are not known here', async () => {
    expect(await verdictOf(0xb220, counterBytes(32), counterBytes(20))).toEqual({
      ok: false,
      reason: 'unsupported-hash'
    })
  })
})
