import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { HEAD_SIZE_BYTES_MAX } from '../../src/ledger/log-head.ts'
import { decodeAnswer, decodeRequest, encodeReply, encodeRequest } from '../../src/protocols/envelope.ts'
import * as limits from '../../src/protocols/limits.ts'
import { BULK_LIMITS, refuse } from '../../src/protocols/protocol.ts'
import { NETWORK_ID } from './network.ts'
import { TRANSFER } from './transfers.ts'

const TERMS = { networkId: NETWORK_ID }

describe('foreign bytes', () => {
  it('are a message, a refusal or no answer, and never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        expect(decodeRequest(TRANSFER, TERMS, bytes)).toMatchObject({ ok: false })
        expect(decodeAnswer(TRANSFER.response, TERMS, bytes)).toMatchObject({ kind: 'no-answer', code: 'INVALID' })
      }),
      { numRuns: 2000 }
    )
  })

  it('that were valid but for one byte are not trusted either', () => {
    const valid = encodeRequest(TRANSFER, TERMS, { name: 'a piece' })
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.integer({ min: 1, max: 255 }), (index, flip) => {
        const bytes = valid.slice()
        bytes[index]! ^= flip
        const message = decodeRequest(TRANSFER, TERMS, bytes)
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
      expect(decodeRequest(TRANSFER, TERMS, bytes)).toMatchObject({ ok: false, code: 'BAD_MESSAGE' })
    }
  })

  it('that name a codec’s throw are refused like any other', () => {
    const throwing = {
      ...TRANSFER,
      request: z.codec(z.unknown(), z.unknown(), { decode: () => BigInt('x'), encode: x => x })
    }
    const bytes = dagCbor.encode({ v: 1, network: NETWORK_ID, body: 1 })
    expect(decodeRequest(throwing, TERMS, bytes)).toMatchObject({ ok: false, code: 'BAD_MESSAGE' })
  })
})

describe('a reply', () => {
  it('survives keys of a later version', () => {
    const body = { ok: true, value: { sizeBytes: 1 }, later: 1 }
    const bytes = dagCbor.encode({ v: 1, network: NETWORK_ID, head: new Uint8Array(200), body })
    expect(decodeAnswer(TRANSFER.response, TERMS, bytes)).toEqual({ kind: 'answer', value: { sizeBytes: 1 } })
  })

  it('of another network counts when it says just that', () => {
    const bytes = encodeReply(
      TRANSFER,
      TRANSFER.response,
      { networkId: new Uint8Array(32) },
      refuse('WRONG_NETWORK', 'elsewhere')
    )
    expect(decodeAnswer(TRANSFER.response, TERMS, bytes)).toMatchObject({ kind: 'refused', code: 'WRONG_NETWORK' })
    const other = encodeReply(
      TRANSFER,
      TRANSFER.response,
      { networkId: new Uint8Array(32) },
      refuse('NO_SPACE', 'full')
    )
    expect(decodeAnswer(TRANSFER.response, TERMS, other)).toMatchObject({ kind: 'no-answer' })
  })

  it('that refuses fits, whatever the protocol’s own answers may have, its message cut', () => {
    const bytes = encodeReply(
      { ...TRANSFER, responseSizeBytesMax: 1 },
      TRANSFER.response,
      TERMS,
      refuse('LONG', 'é'.repeat(5000))
    )
    const answer = decodeAnswer(TRANSFER.response, TERMS, bytes)
    expect(answer).toMatchObject({ kind: 'refused', message: 'é'.repeat(limits.REFUSAL_MESSAGE_LENGTH_MAX) })
  })

  it('with a code that is none is our own mistake', () => {
    expect(() => encodeReply(TRANSFER, TRANSFER.response, TERMS, refuse('no space', 'full'))).toThrow(TypeError)
  })
})

describe('a head on an envelope', () => {
  const exchange = (latest?: Uint8Array) => {
    const seen: Uint8Array[] = []
    return {
      seen,
      terms: { networkId: NETWORK_ID, heads: { latest: () => latest, saw: (head: Uint8Array) => seen.push(head) } }
    }
  }
  const HEAD = new Uint8Array(HEAD_SIZE_BYTES_MAX).fill(3)
  const reply = { ok: true, value: { sizeBytes: 1 } } as const

  it('goes and comes with requests, answers and refusals', () => {
    const [sender, receiver] = [exchange(HEAD), exchange()]
    decodeRequest(TRANSFER, receiver.terms, encodeRequest(TRANSFER, sender.terms, { name: 'a piece' }))
    decodeAnswer(TRANSFER.response, receiver.terms, encodeReply(TRANSFER, TRANSFER.response, sender.terms, reply))
    const refusal = encodeReply(TRANSFER, TRANSFER.response, sender.terms, refuse('NO_SPACE', 'full'))
    expect(decodeAnswer(TRANSFER.response, receiver.terms, refusal)).toMatchObject({ kind: 'refused' })
    expect(receiver.seen).toEqual([HEAD, HEAD, HEAD])
  })

  it('is left out by a peer that knows none, and skipped by one that keeps none', () => {
    const receiver = exchange()
    const headless = encodeRequest(TRANSFER, exchange().terms, { name: 'a piece' })
    expect(decodeRequest(TRANSFER, receiver.terms, headless)).toMatchObject({ ok: true })
    expect(receiver.seen).toEqual([])
    const bytes = encodeRequest(TRANSFER, exchange(HEAD).terms, { name: 'a piece' })
    expect(decodeRequest(TRANSFER, TERMS, bytes)).toMatchObject({ ok: true })
  })

  it('fits beside the largest message', () => {
    const name = 'x'.repeat(TRANSFER.requestSizeBytesMax - 20)
    expect(encodeRequest(TRANSFER, exchange(HEAD).terms, { name }).length).toBeGreaterThan(name.length)
  })

  it.each<[string, unknown]>([
    ['too long', new Uint8Array(HEAD_SIZE_BYTES_MAX + 1)],
    ['text', 'a head'],
    ['null', null]
  ])('that is %s harms no message and is shown to nobody', (_, head) => {
    const receiver = exchange()
    const request = dagCbor.encode({ v: 1, network: NETWORK_ID, head, body: { name: 'a piece' } })
    expect(decodeRequest(TRANSFER, receiver.terms, request)).toMatchObject({ ok: true })
    const answer = dagCbor.encode({ v: 1, network: NETWORK_ID, head, body: reply })
    expect(decodeAnswer(TRANSFER.response, receiver.terms, answer)).toMatchObject({ kind: 'answer' })
    expect(receiver.seen).toEqual([])
  })

  it('of another network is not looked at', () => {
    const receiver = exchange()
    const sender = { ...exchange(HEAD).terms, networkId: new Uint8Array(32) }
    decodeRequest(TRANSFER, receiver.terms, encodeRequest(TRANSFER, sender, { name: 'a piece' }))
    decodeAnswer(TRANSFER.response, receiver.terms, encodeReply(TRANSFER, TRANSFER.response, sender, reply))
    expect(receiver.seen).toEqual([])
  })
})

it('the limits hold together', () => {
  const inFlightSizeBytes = BULK_LIMITS.chunkSizeBytesMax * BULK_LIMITS.chunksInFlightMax
  expect(inFlightSizeBytes).toBeLessThan(limits.STREAM_BUFFER_SIZE_BYTES)
  expect(limits.MESSAGE_SIZE_BYTES_MAX + limits.ENVELOPE_SIZE_BYTES_MAX).toBeLessThan(limits.STREAM_BUFFER_SIZE_BYTES)
  expect(2 * HEAD_SIZE_BYTES_MAX).toBeLessThanOrEqual(limits.ENVELOPE_SIZE_BYTES_MAX)
  expect(limits.REFUSAL_MESSAGE_LENGTH_MAX * 4 + limits.REFUSAL_CODE_LENGTH_MAX).toBeLessThan(
    limits.REFUSAL_SIZE_BYTES_MAX
  )
})
