import { describe, expect, test } from 'vitest'
import { encodePieceCidV1 } from '../src/index.ts'
import { hashPiece } from './pieces.ts'
import { commitments, generate, toHex } from './vectors.ts'

describe('commitments of other implementations', () => {
  for (const vector of commitments.vectors) {
    test(`${vector.generator} of ${vector.rawSize} bytes`, () => {
      const digest = hashPiece(generate(vector.generator, vector.rawSize))
      expect(toHex(digest.root)).toBe(vector.root)
      expect(digest.height).toBe(vector.height)
      expect(digest.cid.toString()).toBe(vector.pieceCidV2)
      expect(encodePieceCidV1(digest.root).toString()).toBe(vector.pieceCidV1)
    })
  }
})
