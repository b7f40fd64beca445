import { fc, test } from '@fast-check/vitest'
import { createPieceHasher, portableNodeHasher } from '@holdfast/proofs'
import { expect } from 'vitest'
import { createQuadFiller } from '../../src/hashing/slab-filler.ts'

/** Sizes of what comes, one after the other, and in which form each slab is filled. */
const cuts = fc.array(fc.nat(1_500), { minLength: 1, maxLength: 20 })
const forms = fc.infiniteStream(fc.boolean())

test.prop([cuts, forms, fc.integer({ min: 128, max: 900 })])(
  'a piece is the same, whoever expands which slab of it, and however it is cut',
  (sizes, expansions, slabSizeBytes) => {
    const piece = Uint8Array.from({ length: sizes.reduce((sum, size) => sum + size, 0) }, (_, at) => at * 7 + (at >> 8))
    const [expected, hasher] = [0, 1].map(() => createPieceHasher({ nodeHasher: portableNodeHasher }))
    expected!.update(piece)
    const filler = createQuadFiller()
    const slab = new Uint8Array(slabSizeBytes)
    let at = 0
    for (const size of sizes) {
      const end = at + size
      while (at < end) {
        const isExpanded = expansions.next().value === true
        const { takenBytes, filledBytes } = filler.fill(piece.subarray(at, end), slab, isExpanded)
        expect(takenBytes).toBeGreaterThan(0)
        at += takenBytes
        if (isExpanded) hasher!.updateExpanded(slab.subarray(0, filledBytes))
        else hasher!.update(slab.subarray(0, filledBytes))
      }
    }
    hasher!.update(filler.rest())
    expect(`${hasher!.digest().cid}`).toBe(`${expected!.digest().cid}`)
  }
)
