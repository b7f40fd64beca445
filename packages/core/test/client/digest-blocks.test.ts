import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { digestBlocks } from '../../src/client/digest-blocks.ts'

const createSha256 = () => createHash('sha256')
const hexOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex')

it('gives the digest of each block, however they are cut, and none of one that has not come', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 20 })),
      fc.array(fc.nat(12)),
      fc.nat(5),
      (blocks, cuts, missing) => {
        const digests = digestBlocks(createSha256)
        digests.expect(blocks.map(({ length }) => length))
        const bytes = Buffer.concat(blocks)
        const sent = bytes.subarray(0, Math.max(0, bytes.length - missing))
        let offset = 0
        for (const cut of [...cuts, bytes.length]) {
          digests.update(sent.subarray(offset, offset + cut))
          offset += cut
        }
        let end = 0
        for (const block of blocks) {
          end += block.length
          const expected = end <= sent.length ? createSha256().update(block).digest('hex') : undefined
          expect(hexOf(digests.take())).toBe(expected)
          if (expected === undefined) return
        }
      }
    )
  )
})
