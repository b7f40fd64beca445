import { multiProofSizeBytes, PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LEAF_PROOF_SIZE_BYTES_MAX } from '../../src/ledger/commands.ts'
import { LEAVES_PER_ROUND_MAX } from '../../src/network.ts'
import { DEALS_PER_PUSH_MAX, pushProofs } from '../../src/protocols/definitions.ts'
import { encodeRequest } from '../../src/protocols/envelope.ts'
import { batchDeals } from '../../src/protocols/proof-batches.ts'

const deals = fc.array(fc.record({ leavesPerRound: fc.integer({ min: 1, max: LEAVES_PER_ROUND_MAX }) }), {
  maxLength: 300
})

it('batches keep every deal, in order, and none is empty or too long', () => {
  fc.assert(
    fc.property(deals, list => {
      const batches = batchDeals(list)
      expect(batches.flat()).toEqual(list)
      for (const batch of batches) {
        expect(batch.length).toBeGreaterThan(0)
        expect(batch.length).toBeLessThanOrEqual(DEALS_PER_PUSH_MAX)
      }
    })
  )
})

it.each([1, 20, LEAVES_PER_ROUND_MAX])(
  'the largest proofs of deals with %i leaves a round fit their messages',
  leavesPerRound => {
    const nodesSizeBytes = multiProofSizeBytes({ rawSize: PIECE_SIZE_BYTES_MAX, leafIndices: [12_345_678] }) - 32
    const proofs = Array.from({ length: leavesPerRound }, (_, index) => ({
      pieceId: 4_000_000_000 + index,
      leafIndices: [12_345_678],
      leaves: new Uint8Array(32),
      nodes: new Uint8Array(nodesSizeBytes)
    }))
    const [batch] = batchDeals(Array.from({ length: 200 }, () => ({ leavesPerRound })))
    const items = batch!.map(() => ({ dealId: 2 ** 50, proofs, signature: new Uint8Array(65) }))
    expect(
      encodeRequest(pushProofs, { networkId: new Uint8Array(32) }, { round: 2 ** 50, items }).length
    ).toBeGreaterThan(0)
    expect(nodesSizeBytes + 32).toBeLessThan(LEAF_PROOF_SIZE_BYTES_MAX)
  }
)
