import * as dagCbor from '@ipld/dag-cbor'
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Handler, RequestOptions } from '../../src/protocols/engine.ts'
import { request, serve } from '../../src/protocols/engine.ts'
import { encodeLength } from '../../src/protocols/length.ts'
import { ENVELOPE_SIZE_BYTES_MAX } from '../../src/protocols/limits.ts'
import type { Protocol } from '../../src/protocols/protocol.ts'
import { refuse } from '../../src/protocols/protocol.ts'
import type { ServeOptions } from '../../src/protocols/serve-streams.ts'
import { createTrafficLimiter, TRAFFIC_TERMS } from '../../src/protocols/traffic-limiter.ts'
import { amountSchema } from '../../src/schema.ts'
import { countListeners, NETWORK_ID, openManualClock, openPair, usePair } from './network.ts'

interface Question {
  text: string
  amount?: bigint
}
interface Reaction {
  text: string
  amount: bigint
}

const ECHO: Protocol<Question, Reaction> = {
  id: '/holdfast/echo/1',
  request: z.object({ text: z.string(), amount: amountSchema.optional() }),
  response: z.object({ text: z.string(), amount: amountSchema }),
  requestSizeBytesMax: 4096,
  responseSizeBytesMax: 4096,
  timeoutMs: 10_000,
  streamsInboundMax: 8
}

const echo: Handler<Question, Reaction> = async ({ text, amount }) => ({
  ok: true,
  value: { text, amount: amount ?? 0n }
})

const net = usePair(ECHO.id)

async function serveEcho(handler: Handler<Question, Reaction>, options: Partial<ServeOptions> = {}) {
  net.service = await serve(net.pair.server, ECHO, handler, { networkId: NETWORK_ID, ...options })
}

function ask(message: Question, options: Partial<RequestOptions> = {}) {
  return request(net.pair.client, net.pair.server.peerId, ECHO, message, { networkId: NETWORK_ID, ...options })
}

/** A server without manners. */
async function serveRaw(answer: (stream: Stream) => Promise<void>) {
  await net.pair.server.handle(ECHO.id, stream => answer(stream))
  net.service = { [Symbol.asyncDispose]: () => net.pair.server.unhandle(ECHO.id) }
}

/** Sends raw bytes as a client and returns the first frame of the answer, decoded. */
async function sendRaw(bytes: Uint8Array | Uint8ArrayList): Promise<unknown> {
  const stream = await net.pair.client.dialProtocol(net.pair.server.peerId, ECHO.id)
  const frames = lpStream(stream)
  stream.send(bytes)
  try {
    const answer = await frames.read()
    await stream.close()
    return dagCbor.decode(answer.subarray())
  } finally {
    if (stream.status === 'open') stream.abort(new Error('the test is over'))
  }
}

function framed(value: unknown): Uint8ArrayList {
  const bytes = dagCbor.encode(value)
  return new Uint8ArrayList(encodeLength(bytes.length), bytes)
}

describe('a request', () => {
  it('carries a message there and an answer back, codecs included', async () => {
    await serveEcho(echo)
    const amount = 10n ** 30n
    await expect(ask({ text: 'hello', amount })).resolves.toEqual({ kind: 'answer', value: { text: 'hello', amount } })
  })

  it('leaves out optional keys that are undefined', async () => {
    await serveEcho(echo)
    const answer = await ask({ text: 'hello', amount: undefined })
    expect(answer).toEqual({ kind: 'answer', value: { text: 'hello', amount: 0n } })
  })

  it('reaches a peer by its addresses', async () => {
    await serveEcho(echo)
    const answer = await request(
      net.pair.client,
      net.pair.server.getMultiaddrs(),
      ECHO,
      { text: 'x' },
      { networkId: NETWORK_ID }
    )
    expect(answer.kind).toBe('answer')
  })

  it('tells the handler who asks', async () => {
    await serveEcho(async (_, { remotePeer }) => ({ ok: true, value: { text: remotePeer.toString(), amount: 0n } }))
    const answer = await ask({ text: 'who am I' })
    expect(answer).toMatchObject({ value: { text: net.pair.client.peerId.toString() } })
  })

  it('brings back a refusal as a value', async () => {
    await serveEcho(async () => refuse('NO_SPACE', 'the disk is full', { freeBytes: 7 }))
    await expect(ask({ text: 'x' })).resolves.toEqual({
      kind: 'refused',
      code: 'NO_SPACE',
      message: 'the disk is full',
      details: { freeBytes: 7 }
    })
  })

  it('fits sixty-four in a row on one connection', async () => {
    await serveEcho(echo)
    for (let index = 0; index < 64; index++) expect((await ask({ text: `${index}` })).kind).toBe('answer')
  })

  it('throws for a message of ours that does not fit, before it dials', async () => {
    const wrong = { text: 7 } as unknown as Question
    await expect(ask(wrong)).rejects.toThrow(/\/holdfast\/echo\/1 does not fit its schema: text/)
    await expect(ask({ text: 'x'.repeat(9000) })).rejects.toThrow(RangeError)
  })
})

describe('no answer', () => {
  it('is a peer that does not speak the protocol', async () => {
    await expect(ask({ text: 'x' })).resolves.toMatchObject({ kind: 'no-answer', code: 'UNSUPPORTED' })
  })

  it('is a peer that nobody can reach', async () => {
    const gone = await openPair()
    const addresses = gone.server.getMultiaddrs()
    await gone[Symbol.asyncDispose]()
    const answer = await request(net.pair.client, addresses, ECHO, { text: 'x' }, { networkId: NETWORK_ID })
    expect(answer).toMatchObject({ kind: 'no-answer', code: 'UNREACHABLE' })
  })

  it('is a peer whose connection closes while it is dialled, which libp2p rejects with an event', async () => {
    const dialProtocol = () => Promise.reject(new Event('close'))
    const options = { networkId: NETWORK_ID }
    const answer = await request({ dialProtocol }, net.pair.server.getMultiaddrs(), ECHO, { text: 'x' }, options)
    expect(answer).toMatchObject({ code: 'UNREACHABLE', reason: 'the connection closed while a stream was opened' })
  })

  it('is a peer that ends the stream without a word', async () => {
    await serveRaw(stream => stream.close())
    await expect(ask({ text: 'x' })).resolves.toMatchObject({ kind: 'no-answer', code: 'CUT' })
  })

  it('is a peer that resets the stream', async () => {
    await serveRaw(async stream => stream.abort(new Error('no')))
    await expect(ask({ text: 'x' })).resolves.toMatchObject({ kind: 'no-answer', code: 'CUT' })
  })

  it('is an answer that stops in the middle', async () => {
    await serveRaw(async stream => {
      stream.send(Uint8Array.of(100, 1, 2, 3))
      await stream.close()
    })
    await expect(ask({ text: 'x' })).resolves.toMatchObject({ kind: 'no-answer', code: 'CUT' })
  })

  it('is an answer of another network, of another version, of another shape', async () => {
    const bodies = [
      { v: 1, network: new Uint8Array(32), body: { ok: true, value: { text: 'x', amount: '0' } } },
      { v: 2, network: NETWORK_ID, body: { ok: true, value: { text: 'x', amount: '0' } } },
      { v: 1, network: NETWORK_ID, body: { ok: true, value: { text: 'x', amount: '-1' } } },
      { v: 1, network: NETWORK_ID, body: { ok: false, code: 'lower case', message: '' } },
      { v: 1, network: NETWORK_ID, body: 'yes' },
      'yes'
    ]
    for (const body of bodies) {
      await serveRaw(async stream => {
        stream.send(framed(body))
        await stream.close()
      })
      await expect(ask({ text: 'x' })).resolves.toMatchObject({ kind: 'no-answer', code: 'INVALID' })
      await net.pair.server.unhandle(ECHO.id)
    }
  })

  it('is silence until the deadline', async () => {
    const clock = openManualClock()
    await serveRaw(async () => clock.elapse())
    await expect(ask({ text: 'x' }, { clock })).resolves.toMatchObject({
      kind: 'no-answer',
      code: 'TIMED_OUT'
    })
    expect(clock.sleepers).toBe(0)
  })

  it('is not a server that answers but never ends its half: what it said counts', async () => {
    const clock = openManualClock()
    await serveRaw(async stream => {
      stream.send(framed({ v: 1, network: NETWORK_ID, body: { ok: true, value: { text: 'x', amount: '0' } } }))
    })
    const elapseWhenRead = ECHO.response.refine(() => setImmediate(clock.elapse))
    const protocol = { ...ECHO, response: elapseWhenRead }
    const options = { networkId: NETWORK_ID, clock }
    const answer = await request(net.pair.client, net.pair.server.peerId, protocol, { text: 'x' }, options)
    expect(answer).toMatchObject({ kind: 'answer', value: { text: 'x' } })
  })
})

describe('a served protocol', () => {
  it('refuses another network', async () => {
    await serveEcho(echo)
    const answer = await ask({ text: 'x' }, { networkId: new Uint8Array(32) })
    expect(answer).toMatchObject({ kind: 'refused', code: 'WRONG_NETWORK', details: { network: NETWORK_ID } })
  })

  it('refuses another version of the envelope', async () => {
    await serveEcho(echo)
    const answer = await sendRaw(framed({ v: 2, network: NETWORK_ID, body: { text: 'x' } }))
    expect(answer).toMatchObject({ v: 1, body: { ok: false, code: 'WRONG_VERSION', details: { version: 1 } } })
  })

  it('refuses a message that breaks the schema and names the place', async () => {
    await serveEcho(echo)
    const answer = await sendRaw(framed({ v: 1, network: NETWORK_ID, body: { text: 'x', amount: 'many' } }))
    expect(answer).toMatchObject({ body: { ok: false, code: 'BAD_MESSAGE', message: /^amount: / } })
  })

  it('refuses bytes that are no dag-cbor', async () => {
    await serveEcho(echo)
    await expect(sendRaw(Uint8Array.of(2, 0xff, 0xff))).resolves.toMatchObject({ body: { code: 'BAD_MESSAGE' } })
  })

  it('resets a stream that declares 4 GiB, before a byte of it has come', async () => {
    await serveEcho(echo)
    await expect(sendRaw(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f))).rejects.toThrow()
  })

  it('resets a stream that sends more than a request may have', async () => {
    await serveEcho(echo)
    const bytes = new Uint8Array(ECHO.requestSizeBytesMax + ENVELOPE_SIZE_BYTES_MAX + 100)
    await expect(sendRaw(new Uint8ArrayList(Uint8Array.of(0x80, 0x20), bytes))).rejects.toThrow()
  })

  it('answers INTERNAL for a handler that throws, says nothing more, and tells its owner', async () => {
    const errors: unknown[] = []
    const bug = new Error('a secret path')
    await serveEcho(() => Promise.reject(bug), { onError: error => errors.push(error) })
    const answer = await ask({ text: 'x' })
    expect(answer).toMatchObject({ kind: 'refused', code: 'INTERNAL', details: {} })
    expect(JSON.stringify(answer)).not.toContain('secret')
    expect(errors).toEqual([bug])
  })

  it('answers INTERNAL for an answer that does not fit, and tells its owner', async () => {
    const errors: unknown[] = []
    const text = 'x'.repeat(20_000)
    await serveEcho(async () => ({ ok: true, value: { text, amount: 0n } }), { onError: error => errors.push(error) })
    await expect(ask({ text: 'x' })).resolves.toMatchObject({ kind: 'refused', code: 'INTERNAL' })
    expect(errors).toEqual([expect.any(RangeError)])
  })

  it('ends the handler at the deadline, also one that ignores its signal', async () => {
    const clock = openManualClock()
    const released = Promise.withResolvers<void>()
    const aborted = Promise.withResolvers<unknown>()
    await serveEcho(
      async (_, { signal }) => {
        signal.addEventListener('abort', () => aborted.resolve(signal.reason))
        clock.elapse()
        await released.promise
        return { ok: true, value: { text: 'late', amount: 0n } }
      },
      { clock }
    )
    await expect(ask({ text: 'x' })).resolves.toMatchObject({ kind: 'no-answer', code: 'CUT' })
    await expect(aborted.promise).resolves.toMatchObject({ code: 'TIMED_OUT' })
    released.resolve()
  })

  it('ends the handler when the asker is gone', async () => {
    const canceller = new AbortController()
    const aborted = Promise.withResolvers<unknown>()
    await serveEcho((_, { signal }) => {
      canceller.abort(new Error('changed my mind'))
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted.resolve(signal.reason)
          reject(signal.reason)
        })
      })
    })
    await expect(ask({ text: 'x' }, { signal: canceller.signal })).rejects.toThrow('changed my mind')
    await expect(aborted.promise).resolves.toMatchObject({ code: 'STREAM_CUT' })
  })

  it('is disposed only when its handlers have ended, and answers nobody afterwards', async () => {
    const started = Promise.withResolvers<void>()
    const ended: string[] = []
    const running = await serve(
      net.pair.server,
      ECHO,
      async (_, { signal }) => {
        started.resolve()
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        ended.push('handler')
        return refuse('STOPPED', 'stopped')
      },
      { networkId: NETWORK_ID }
    )
    const answer = ask({ text: 'x' })
    await started.promise
    await running[Symbol.asyncDispose]()
    expect(ended).toEqual(['handler'])
    await expect(answer).resolves.toMatchObject({ kind: 'no-answer' })
    await expect(ask({ text: 'x' })).resolves.toMatchObject({ kind: 'no-answer', code: 'UNSUPPORTED' })
  })
})

describe('the caller’s signal', () => {
  it('aborted before, throws its reason and dials nobody', async () => {
    const reason = new Error('too late')
    const dialled: unknown[] = []
    const node = { dialProtocol: (...call: unknown[]) => Promise.reject(dialled.push(call)) }
    const options = { networkId: NETWORK_ID, signal: AbortSignal.abort(reason) }
    await expect(request(node, net.pair.server.peerId, ECHO, { text: 'x' }, options)).rejects.toBe(reason)
    expect(dialled).toEqual([])
  })

  it('aborted in the middle, throws its reason and resets the stream', async () => {
    const canceller = new AbortController()
    const reason = new Error('changed my mind')
    const reset = Promise.withResolvers<void>()
    await serveRaw(async stream => {
      stream.addEventListener('close', () => reset.resolve())
      canceller.abort(reason)
    })
    await expect(ask({ text: 'x' }, { signal: canceller.signal })).rejects.toBe(reason)
    await reset.promise
  })

  it('keeps no listener and no timer after the answer', async () => {
    await serveEcho(echo)
    const clock = openManualClock()
    const canceller = new AbortController()
    const listeners = countListeners(canceller.signal)
    await ask({ text: 'x' }, { signal: canceller.signal, clock })
    await net.service?.[Symbol.asyncDispose]()
    await ask({ text: 'x' }, { signal: canceller.signal, clock })
    expect(listeners()).toBe(0)
    expect(clock.sleepers).toBe(0)
  })
})

describe('with a limiter', () => {
  const terms = { ...TRAFFIC_TERMS, streamsPerPeerMax: 2, heldBytesPerPeerMax: 3_000, heldBytesMax: 10_000 }

  it('a peer gets no more streams than its share, whatever the protocol allows, and gets them back', async () => {
    const limiter = createTrafficLimiter(terms)
    const { promise: opened, resolve: open } = Promise.withResolvers<void>()
    await serveEcho(async ({ text }) => opened.then(() => ({ ok: true, value: { text, amount: 0n } })), { limiter })
    const slow = [ask({ text: 'one' }), ask({ text: 'two' })]
    await expect.poll(() => limiter.usage.streams).toBe(2)
    await expect(ask({ text: 'three' })).resolves.toMatchObject({ kind: 'no-answer', code: 'CUT' })
    open()
    for (const answer of await Promise.all(slow)) expect(answer.kind).toBe('answer')
    await expect.poll(() => limiter.usage).toEqual({ streams: 0, heldBytes: 0 })
    expect((await ask({ text: 'four' })).kind).toBe('answer')
  })

  it('a peer that asks too fast is told when to come back', async () => {
    const limiter = createTrafficLimiter({ ...terms, requests: { burst: 1, perSecond: 0.001 }, paceMsMax: 600_000 })
    await serveEcho(echo, { limiter })
    expect((await ask({ text: 'one' })).kind).toBe('answer')
    const paced = new AbortController()
    const second = ask({ text: 'two' }, { signal: paced.signal })
    await expect.poll(() => limiter.usage.streams).toBe(1)
    await expect(ask({ text: 'three' })).resolves.toMatchObject({ kind: 'refused', code: 'BUSY' })
    paced.abort(new Error('enough'))
    await expect(second).rejects.toThrow('enough')
  })

  it('an answer for which there is no memory is refused, not sent', async () => {
    const limiter = createTrafficLimiter(terms)
    await serveEcho(async () => ({ ok: true, value: { text: 'x'.repeat(3_900), amount: 0n } }), { limiter })
    await expect(ask({ text: 'hello' })).resolves.toMatchObject({ kind: 'refused', code: 'BUSY' })
    await expect.poll(() => limiter.usage).toEqual({ streams: 0, heldBytes: 0 })
  })

  it('a request that nobody has room for is cut off while it comes', async () => {
    const limiter = createTrafficLimiter({ ...terms, heldBytesPerPeerMax: 500 })
    await serveEcho(echo, { limiter })
    await expect(ask({ text: 'x'.repeat(2_000) })).resolves.toMatchObject({ kind: 'no-answer', code: 'CUT' })
    await expect.poll(() => limiter.usage).toEqual({ streams: 0, heldBytes: 0 })
    expect((await ask({ text: 'small' })).kind).toBe('answer')
  })
})
