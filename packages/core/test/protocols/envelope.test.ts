import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { decodeAnswer, decodeRequest, encodeReply, encodeRequest } from '../../src/protocols/envelope.ts'
import * as limits from '../../src/protocols/limits.ts'
import { BULK_LIMITS, refuse } from '../../src/protocols/protocol.ts'
import { NETWORK_ID } from './network.ts'
import { TRANSFER } from './transfers.ts'

describe('foreign bytes', () => {
  it('are a message, a refusal or no answer, and never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        expect(decodeRequest(TRANSFER, NETWORK_ID, bytes)).toMatchObject({ ok: false })
        expect(decodeAnswer(TRANSFER.response, NETWORK_ID, bytes)).toMatchObject({ kind: 'no-answer', code: 'INVALID' })
      }),
      { numRuns: 2000 }
    )
  })

  it('that were valid but for one byte are not trusted either', () => {
    const valid = encodeRequest(TRANSFER, NETWORK_ID, { name: 'a piece' })
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.integer({ min: 1, max: 255 }), (index, flip) => {
        const bytes = valid.slice()
        bytes[index]! ^= flip
        const message = decodeRequest(TRANSFER, NETWORK_ID, bytes)
        if (message.ok) expect(message.value).toEqual({ name: expect.any(String) })
        else expect(['BAD_MESSAGE', 'WRONG_NETWORK', 'WRONG_VERSION']).toContain(message.code)
      }),
      { numRuns: 2000 }
    )
  })

  it('that nest a thousand deep, or promise a huge array, are refused', () => {
    const deep = Buffer.concat([Buffer.alloc(60_000, 0x81), Buffer.of(0)])
    const huge = Buffer.from('9bffffffffffffffff', 'hex')
    for (const bytes of [deep, huge]) {
      expect(decodeRequest(TRANSFER, NETWORK_ID, bytes)).toMatchObject({ ok: false, code: 'BAD_MESSAGE' })
    }
  })

  it('that name a codec’s throw are refused like any other', () => {
    const throwing = {
      ...TRANSFER,
      request: z.codec(z.unknown(), z.unknown(), { decode: () => BigInt('x'), encode: x => x })
    }
    const bytes = dagCbor.encode({ v: 1, network: NETWORK_ID, body: 1 })
    expect(decodeRequest(throwing, NETWORK_ID, bytes)).toMatchObject({ ok: false, code: 'BAD_MESSAGE' })
  })
})

describe('a reply', () => {
  it('survives keys of a later version', () => {
    const body = { ok: true, value: { sizeBytes: 1 }, later: 1 }
    const bytes = dagCbor.encode({ v: 1, network: NETWORK_ID, head: new Uint8Array(200), body })
    expect(decodeAnswer(TRANSFER.response, NETWORK_ID, bytes)).toEqual({ kind: 'answer', value: { sizeBytes: 1 } })
  })

  it('of another network counts when it says just that', () => {
    const bytes = encodeReply(TRANSFER, TRANSFER.response, new Uint8Array(32), refuse('WRONG_NETWORK', 'elsewhere'))
    expect(decodeAnswer(TRANSFER.response, NETWORK_ID, bytes)).toMatchObject({ kind: 'refused', code: 'WRONG_NETWORK' })
    const other = encodeReply(TRANSFER, TRANSFER.response, new Uint8Array(32), refuse('NO_SPACE', 'full'))
    expect(decodeAnswer(TRANSFER.response, NETWORK_ID, other)).toMatchObject({ kind: 'no-answer' })
  })

  it('that refuses fits, whatever the protocol’s own answers may have, its message cut', () => {
    const bytes = encodeReply(
      { ...TRANSFER, responseSizeBytesMax: 1 },
      TRANSFER.response,
      NETWORK_ID,
      refuse('LONG', 'é'.repeat(5000))
    )
    const answer = decodeAnswer(TRANSFER.response, NETWORK_ID, bytes)
    expect(answer).toMatchObject({ kind: 'refused', message: 'é'.repeat(limits.REFUSAL_MESSAGE_LENGTH_MAX) })
  })

  it('with a code that is none is our own mistake', () => {
    expect(() => encodeReply(TRANSFER, TRANSFER.response, NETWORK_ID, refuse('no space', 'full'))).toThrow(TypeError)
  })
})

it('the limits hold together', () => {
  const inFlightSizeBytes = BULK_LIMITS.chunkSizeBytesMax * BULK_LIMITS.chunksInFlightMax
  expect(inFlightSizeBytes).toBeLessThan(limits.STREAM_BUFFER_SIZE_BYTES)
  expect(limits.MESSAGE_SIZE_BYTES_MAX + limits.ENVELOPE_SIZE_BYTES_MAX).toBeLessThan(limits.STREAM_BUFFER_SIZE_BYTES)
  expect(limits.REFUSAL_MESSAGE_LENGTH_MAX * 4 + limits.REFUSAL_CODE_LENGTH_MAX).toBeLessThan(
    limits.REFUSAL_SIZE_BYTES_MAX
  )
})
