import fc from 'fast-check'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readContent } from '../../src/content/index.ts'
import {
  FRAME_SIZE_BYTES,
  openPrivateObject,
  PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN,
  portablePieceCiphers,
  readReplica
} from '../../src/pieces/index.ts'
import { collect, file, gather } from '../content/memory-content.ts'
import {
  chunked,
  expectSame,
  join,
  noise,
  type PrivateFixture,
  packPrivateTree,
  type Spoil
} from './private-objects.ts'

const MIB = 1024 * 1024
const CONTENT = noise(3 * MIB + 5)

let fixture: PrivateFixture
beforeAll(async () => {
  fixture = await packPrivateTree([file('', CONTENT)], { pieceSizeBytesMax: PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN })
})
beforeEach(() => {
  fixture.spoil = bytes => bytes
  fixture.failures.length = 0
  fixture.reads.length = 0
})

async function readAll(replicaCount: number): Promise<Uint8Array> {
  const { fetchBlocks } = fixture.open(replicaCount)
  const [entry] = await collect(readContent({ root: fixture.reference.root, fetchBlocks }))
  return new Uint8Array(Buffer.from(entry!.content!, 'hex'))
}

/** What a lying provider may do to whole frames of replica 0, seen by where they lie. */
const LIES: Array<[string, Spoil]> = [
  ['flips a bit of every chunk', bytes => flip(bytes, 11)],
  ['answers zeros', bytes => new Uint8Array(bytes.length)],
  ['ends early', (bytes, _, offset) => (offset % 200_000 < 50_000 ? bytes : new Uint8Array())],
  ['says nothing', () => new Uint8Array()],
  ['goes away', () => 'throws'],
  ['sends the inner piece', (bytes, { piece }, offset) => fixture.inner[piece]!.slice(offset, offset + bytes.length)],
  [
    'sends another piece of the object',
    (bytes, { piece }, offset) => {
      const other = fixture.inner[(piece + 1) % fixture.inner.length]!
      return padded(other.slice(offset, offset + bytes.length), bytes.length)
    }
  ],
  [
    'sends everything a frame later',
    (bytes, { piece }, offset) => shifted(piece, offset + FRAME_SIZE_BYTES, bytes.length)
  ],
  ['sends more than was asked for, and wrong', bytes => Uint8Array.of(1, ...bytes.subarray(0, 100), ...bytes)]
]

const flip = (bytes: Uint8Array, bit: number) => {
  const copy = bytes.slice()
  copy[(bit >> 3) % copy.length]! ^= 1 << (bit & 7)
  return copy
}
const padded = (bytes: Uint8Array, length: number) => {
  const whole = new Uint8Array(length)
  whole.set(bytes.subarray(0, length))
  return whole
}
const shifted = (piece: number, offset: number, length: number) =>
  padded(fixture.inner[piece]!.slice(offset, offset + length), length)

describe.each(LIES)('a provider that %s', (_, lie) => {
  it('is left for one that does not, without a wrong byte', async () => {
    fixture.spoil = (bytes, place, offset) => (place.replica === 0 ? lie(bytes, place, offset) : bytes)
    expectSame(await readAll(2), CONTENT)
    expect(fixture.failures.length).toBeGreaterThan(0)
    expect(fixture.failures.every(({ replica }) => replica === 0)).toBe(true)
  })

  it('is an error when it is alone', async () => {
    fixture.spoil = lie
    await expect(readAll(1)).rejects.toMatchObject({
      code: 'PIECE_UNREADABLE',
      details: {
        failures: [{ replica: 0, source: '0', reason: expect.stringMatching(/^(sent bytes|ended early|went away)/) }]
      }
    })
  })
})

it('a replica answering for another one is refused', async () => {
  const stored = await Promise.all(fixture.inner.map((_, piece) => fixture.stored({ replica: 1, piece })))
  fixture.spoil = (bytes, { piece }, offset) => stored[piece]!.slice(offset, offset + bytes.length)
  await expect(readAll(1)).rejects.toMatchObject({ code: 'PIECE_UNREADABLE' })
})

it.each(['without the repair key', 'with it'])('frames in another order are refused, by whom %s', async who => {
  const swapped = await Promise.all(
    fixture.inner.map(async (inner, piece) => {
      const place = { replica: 0, piece }
      if (who !== 'with it') return swapFrames(await fixture.stored(place))
      // Whoever makes replicas can put every frame under the right keystream, and cannot renumber it.
      return join(await gather(readReplica({ ...fixture.layer, place, inner: chunked(swapFrames(inner)) })))
    })
  )
  fixture.spoil = (bytes, { piece }, offset) => swapped[piece]!.slice(offset, offset + bytes.length)
  await expect(readAll(1)).rejects.toMatchObject({ code: 'PIECE_UNREADABLE' })
})

/** Each two frames in each other's place, but for the last, which may be shorter. */
function swapFrames(piece: Uint8Array): Uint8Array {
  const swapped = piece.slice()
  for (let at = 0; at + 2 * FRAME_SIZE_BYTES < piece.length; at += 2 * FRAME_SIZE_BYTES) {
    swapped.set(piece.subarray(at, at + FRAME_SIZE_BYTES), at + FRAME_SIZE_BYTES)
    swapped.set(piece.subarray(at + FRAME_SIZE_BYTES, at + 2 * FRAME_SIZE_BYTES), at)
  }
  return swapped
}

it('one flipped bit anywhere is found, and the frame read elsewhere', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(fixture.inner[0]!.length * 8 - 1), async bit => {
      const at = bit >> 3
      let isHit = false
      fixture.failures.length = 0
      fixture.spoil = (bytes, { replica, piece }, offset) => {
        if (replica !== 0 || piece !== 0 || at < offset || at >= offset + bytes.length) return bytes
        isHit = true
        return flip(bytes, (at - offset) * 8 + (bit & 7))
      }
      expectSame(await readAll(2), CONTENT)
      expect(fixture.failures.length > 0).toBe(isHit)
    }),
    { numRuns: 12 }
  )
})

it('replicas that each fail half of the time are enough together', async () => {
  let reads = 0
  fixture.spoil = (bytes, _, offset) => (offset % (3 * 50_000) === 0 && reads++ % 2 === 0 ? flip(bytes, 3) : bytes)
  expectSame(await readAll(2), CONTENT)
  expect(fixture.failures.length).toBeGreaterThan(1)
})

it('strangers’ pieces under the same label cost an attempt and no more', async () => {
  const honest = (piece: number) => ({ ...fixture.replica({ replica: 0, piece }), source: 'honest' })
  const squatter = (piece: number, sizeBytes: number) => ({
    replica: 0,
    source: `squatter of ${piece}`,
    async *read(offset: number, length: number) {
      if (offset + length <= sizeBytes) yield noise(length)
    }
  })
  const { fetchBlocks } = openPrivateObject({
    reference: fixture.reference,
    ciphers: portablePieceCiphers,
    onFailure: failure => fixture.failures.push(failure),
    locatePiece: async piece => {
      const sizeBytes = fixture.inner[piece]!.length
      return [
        { sizeBytes: 100_000, replicas: () => [squatter(piece, 100_000)] },
        { sizeBytes: FRAME_SIZE_BYTES + 3, replicas: () => [squatter(piece, FRAME_SIZE_BYTES + 3)] },
        { sizeBytes, replicas: () => [squatter(piece, sizeBytes), honest(piece)] }
      ]
    }
  })
  const [entry] = await collect(readContent({ root: fixture.reference.root, fetchBlocks }))
  expectSame(new Uint8Array(Buffer.from(entry!.content!, 'hex')), CONTENT)
  expect(new Set(fixture.failures.map(({ source }) => source))).toEqual(new Set(['squatter of 0', 'squatter of 1']))
})

it('a piece that nobody has is unreadable', async () => {
  const { manifest } = openPrivateObject({
    reference: fixture.reference,
    ciphers: portablePieceCiphers,
    locatePiece: async () => []
  })
  await expect(manifest()).rejects.toMatchObject({ code: 'PIECE_UNREADABLE' })
})

it('a piece that was cut at a frame is refused', async () => {
  const cut = fixture.inner.map(piece => piece.subarray(0, piece.length - (piece.length % FRAME_SIZE_BYTES)))
  const { fetchBlocks } = openPrivateObject({
    reference: fixture.reference,
    ciphers: portablePieceCiphers,
    locatePiece: async piece => [
      {
        sizeBytes: cut[piece]!.length,
        replicas: () => [fixture.replica({ replica: 0, piece })]
      }
    ]
  })
  await expect(gather(fetchBlocks([fixture.reference.root], {}))).rejects.toMatchObject({
    code: 'PIECE_UNREADABLE'
  })
})

it('a size that no private piece has is refused before anything is asked', async () => {
  const { fetchBlocks } = openPrivateObject({
    reference: fixture.reference,
    ciphers: portablePieceCiphers,
    locatePiece: async piece => [
      {
        sizeBytes: FRAME_SIZE_BYTES + 3,
        replicas: () => [fixture.replica({ replica: 0, piece })]
      }
    ]
  })
  await expect(gather(fetchBlocks([fixture.reference.root], {}))).rejects.toMatchObject({
    code: 'PIECE_INVALID'
  })
  expect(fixture.reads).toEqual([])
})

it('a reference with another secret opens nothing', async () => {
  const object = fixture.open(2, { ...fixture.reference, secret: noise(32) })
  await expect(object.manifest()).rejects.toMatchObject({ code: 'PIECE_UNREADABLE' })
})

it('an error that is nobody’s answer ends the read', async () => {
  const broken = new TypeError('a bug')
  const { manifest } = openPrivateObject({
    reference: fixture.reference,
    ciphers: portablePieceCiphers,
    locatePiece: async piece => [
      {
        sizeBytes: fixture.inner[piece]!.length,
        replicas: () => [
          {
            replica: 0,
            // biome-ignore lint/correctness/useYield: it fails before it has anything
            async *read() {
              throw broken
            }
          }
        ]
      }
    ]
  })
  await expect(manifest()).rejects.toBe(broken)
})

describe('an aborted read', () => {
  it('throws the signal’s reason, before and in the middle, and leaves no source open', async () => {
    const reason = new Error('enough')
    await expect(fixture.open().manifest(AbortSignal.abort(reason))).rejects.toBe(reason)
    const controller = new AbortController()
    let open = 0
    const object = openPrivateObject({
      reference: fixture.reference,
      ciphers: portablePieceCiphers,
      locatePiece: async piece => [
        {
          sizeBytes: fixture.inner[piece]!.length,
          replicas: () => [
            {
              replica: 0,
              async *read(offset, length, { signal }) {
                open += 1
                try {
                  for await (const chunk of fixture.replica({ replica: 0, piece }).read(offset, length, {})) {
                    signal?.throwIfAborted()
                    yield chunk
                  }
                } finally {
                  open -= 1
                }
              }
            }
          ]
        }
      ]
    })
    const blocks = object.fetchBlocks([fixture.reference.root], { signal: controller.signal })
    controller.abort(reason)
    await expect(gather(blocks)).rejects.toBe(reason)
    expect(open).toBe(0)
  })
})
