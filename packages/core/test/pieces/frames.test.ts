import { PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  contentRoomOf,
  contentSizeOf,
  createFrameCipher,
  FRAME_CONTENT_SIZE_BYTES,
  FRAME_SIZE_BYTES,
  SEALED_CONTENT_SIZE_BYTES_MAX,
  sealedSizeOf
} from '../../src/pieces/frames.ts'
import { deriveObjectKeys } from '../../src/pieces/object-keys.ts'
import { portablePieceCiphers } from '../../src/pieces/piece-ciphers.ts'
import { noise, SECRET } from './private-objects.ts'

const { readKey } = deriveObjectKeys(SECRET)

describe('sizes of sealed pieces', () => {
  it('fill the largest piece exactly', () => {
    expect(PIECE_SIZE_BYTES_MAX % FRAME_SIZE_BYTES).toBe(0)
    expect(sealedSizeOf(SEALED_CONTENT_SIZE_BYTES_MAX)).toBe(PIECE_SIZE_BYTES_MAX)
    expect(contentRoomOf(PIECE_SIZE_BYTES_MAX)).toBe(SEALED_CONTENT_SIZE_BYTES_MAX)
  })

  it('go both ways', () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: SEALED_CONTENT_SIZE_BYTES_MAX }),
      fc
        .record({ frames: fc.integer({ min: 1, max: 16_000 }), rest: fc.integer({ min: -2, max: 2 }) })
        .map(({ frames, rest }) => frames * FRAME_CONTENT_SIZE_BYTES + rest)
    )
    fc.assert(
      fc.property(size, content => {
        const sealed = sealedSizeOf(content)
        expect(contentSizeOf(sealed)).toBe(content)
        expect(contentRoomOf(sealed)).toBe(content)
        expect(contentRoomOf(sealed - 1)).toBeLessThan(content)
      })
    )
  })

  it.each([0, -1, 1, 16, 0.5, Number.NaN, FRAME_SIZE_BYTES + 16, PIECE_SIZE_BYTES_MAX + 1])('are never %d', size => {
    expect(contentSizeOf(size)).toBeUndefined()
  })
})

describe('a sealed frame', () => {
  const cipher = createFrameCipher(portablePieceCiphers, readKey, 3)
  const sealed = () => {
    const frame = noise(1016)
    cipher.seal(frame, 5, false)
    return frame
  }

  it('opens as what it is', () => {
    const frame = sealed()
    expect(cipher.open(frame, 5, false)).toBe(true)
    expect(frame.subarray(0, 1000)).toEqual(noise(1016).subarray(0, 1000))
  })

  it.each<[string, number, boolean]>([
    ['the next frame', 6, false],
    ['the last frame', 5, true],
    ['a frame 256 further', 261, false]
  ])('does not open as %s', (_, number, isLast) => {
    expect(cipher.open(sealed(), number, isLast)).toBe(false)
  })

  it('does not open as a frame of another piece or another object', () => {
    expect(createFrameCipher(portablePieceCiphers, readKey, 4).open(sealed(), 5, false)).toBe(false)
    const other = deriveObjectKeys(noise(32)).readKey
    expect(createFrameCipher(portablePieceCiphers, other, 3).open(sealed(), 5, false)).toBe(false)
  })
})
