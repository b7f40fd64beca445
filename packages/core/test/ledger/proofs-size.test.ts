import { encode } from '@ipld/dag-cbor'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TRANSCRIPT_PATH_NODES_MAX } from '../../src/evidence/transcript.ts'
import { boundOfProofs, ENTRY_SIZE_BYTES_MAX, PROOFS_SIZE_BYTES_MAX } from '../../src/ledger/commands.ts'
import { LEAVES_PER_ROUND_MAX } from '../../src/network.ts'

const proofs = fc.array(
  fc.record({
    pieceId: fc.nat(Number.MAX_SAFE_INTEGER),
    leafIndices: fc.array(fc.nat(Number.MAX_SAFE_INTEGER), { minLength: 1, maxLength: 20 }),
    leaves: fc.uint8Array({ maxLength: 700 }),
    nodes: fc.uint8Array({ maxLength: 700 })
  }),
  { minLength: 1, maxLength: 8 }
)

it('the bound on proofs covers their encoding', () => {
  fc.assert(
    fc.property(proofs, some => {
      expect(encode(some).length).toBeLessThanOrEqual(boundOfProofs(some))
    })
  )
})

it('honest proofs stay below what a verifier looks at, whatever was drawn', () => {
  const leaf = { pieceId: 2 ** 40, leafIndices: [2 ** 25], leaves: new Uint8Array(32), nodes: new Uint8Array(25 * 32) }
  const worst = Array.from({ length: LEAVES_PER_ROUND_MAX }, () => leaf)
  expect(boundOfProofs(worst)).toBeLessThanOrEqual(PROOFS_SIZE_BYTES_MAX)
})

it('what a verifier looks at fits an entry, with its transcript, its path and a signature', () => {
  const rest = encode({
    statement: {
      verifier: 'x'.repeat(42),
      id: 'x'.repeat(32),
      numbers: Array(3).fill(2 ** 52),
      digest: new Uint8Array(32)
    },
    signatures: [new Uint8Array(65), new Uint8Array(65)],
    transcript: { reason: '\u{10ffff}'.repeat(256), digests: Array(4).fill(new Uint8Array(32)) },
    path: Array(TRANSCRIPT_PATH_NODES_MAX).fill(new Uint8Array(32))
  })
  expect(PROOFS_SIZE_BYTES_MAX + 2 * rest.length).toBeLessThanOrEqual(ENTRY_SIZE_BYTES_MAX)
})
