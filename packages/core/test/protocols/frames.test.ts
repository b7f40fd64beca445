import { streamPair } from '@libp2p/utils'
import fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { openFrames } from '../../src/protocols/frames.ts'
import { decodeLength, encodeLength } from '../../src/protocols/length.ts'

const FRAME_SIZE_BYTES_MAX = 300
const { signal } = new AbortController()

/** Reads frames to the end of a stream that is fed these pieces, one message each. */
async function readAll(pieces: Uint8Array[]): Promise<Uint8Array[]> {
  const [writer, reader] = await streamPair()
  const frames = openFrames(reader, 8 * FRAME_SIZE_BYTES_MAX)
  const read: Uint8Array[] = []
  const reading = (async () => {
    for (;;) {
      const frame = await frames.read(FRAME_SIZE_BYTES_MAX, signal)
      if (frame === undefined) return
      read.push(frame.subarray())
    }
  })()
  try {
    for (const piece of pieces) if (writer.writeStatus === 'writable' && piece.length > 0) writer.send(piece)
    await Promise.all([writer.close(), reading])
    return read
  } finally {
    for (const stream of [writer, reader]) stream.abort(new Error('the test is over'))
  }
}

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: number[]): Uint8Array[] {
  const borders = [
    0,
    ...places.map(place => place % (bytes.length + 1)).sort((left, right) => left - right),
    bytes.length
  ]
  return borders.slice(1).map((border, index) => bytes.subarray(borders[index], border))
}

describe('frames', () => {
  it('come out as they went in, however the network cuts them', async () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: FRAME_SIZE_BYTES_MAX }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(payloads, fc.array(fc.nat(), { maxLength: 8 }), async (expected, places) => {
        const bytes = Buffer.concat(expected.flatMap(payload => [encodeLength(payload.length), payload]))
        const read = await readAll(cut(bytes, places))
        expect(read.map(frame => Buffer.from(frame).toString('hex'))).toEqual(
          expected.map(frame => Buffer.from(frame).toString('hex'))
        )
      }),
      { numRuns: 60 }
    )
  })

  it('that are garbage end in frames or in an error with a code, never in a hang', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 900 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        async (bytes, places) => {
          const outcome = await readAll(cut(bytes, places)).catch((error: unknown) => error)
          if (Array.isArray(outcome)) return
          expect(outcome).toMatchObject({ code: expect.stringMatching(/^(FRAME_INVALID|STREAM_CUT)$/) })
        }
      ),
      { numRuns: 200 }
    )
  })

  it.each([
    ['is longer than allowed', [0xad, 0x02], 'FRAME_INVALID'],
    ['says 4 GiB', [0xff, 0xff, 0xff, 0xff, 0x0f], 'FRAME_INVALID'],
    ['is not minimal', [0x80, 0x00], 'FRAME_INVALID'],
    ['never ends', [0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 'FRAME_INVALID'],
    ['ends too early', [0x80], 'STREAM_CUT'],
    ['promises more than comes', [0x05, 1, 2], 'STREAM_CUT']
  ])('have a length that %s', async (_, bytes, code) => {
    await expect(readAll([Uint8Array.from(bytes)])).rejects.toMatchObject({ code })
  })
})

describe('a length', () => {
  it('decodes to what was encoded, in as many bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), length => {
        const bytes = encodeLength(length)
        expect(decodeLength(new Uint8ArrayList(bytes), bytes.length)).toBe(length)
        for (let size = 1; size < bytes.length; size++) {
          expect(decodeLength(new Uint8ArrayList(bytes), size)).toBe('incomplete')
        }
      })
    )
  })

  it('of a negative, a broken or a 33-bit number is our own mistake', () => {
    for (const length of [-1, 0.5, Number.NaN, 2 ** 32]) expect(() => encodeLength(length)).toThrow(RangeError)
  })
})
