import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Handler, request } from '../../src/protocols/engine.ts'
import { REQUESTS_IN_FLIGHT_MAX } from '../../src/protocols/limits.ts'
import { type Protocol, refuse } from '../../src/protocols/protocol.ts'
import { createRequestStreams, type RequestStreams } from '../../src/protocols/request-streams.ts'
import { serveRequests } from '../../src/protocols/serve-requests.ts'
import type { ServeOptions } from '../../src/protocols/serve-streams.ts'
import { createTrafficLimiter, TRAFFIC_TERMS } from '../../src/protocols/traffic-limiter.ts'
import { NETWORK_ID, openManualClock, openStreams, usePair } from './network.ts'

interface Text {
  text: string
}

const ECHO: Protocol<Text, Text> = {
  id: '/holdfast/lasting-echo/1',
  request: z.object({ text: z.string() }),
  response: z.object({ text: z.string() }),
  requestSizeBytesMax: 4096,
  responseSizeBytesMax: 4096,
  timeoutMs: 10_000,
  streamsInboundMax: 2
}

const net = usePair(ECHO.id)
const echo: Handler<Text, Text> = async ({ text }) => ({ ok: true, value: { text } })
const answerOf = (text: string) => ({ kind: 'answer', value: { text } })
const texts = (count: number) => Array.from({ length: count }, (_, index) => `${index}`)

async function serveEcho(handler: Handler<Text, Text> = echo, options: Partial<ServeOptions> = {}) {
  net.service = await serveRequests(net.pair.server, ECHO, handler, { networkId: NETWORK_ID, ...options })
}

function openAsker(clock?: ReturnType<typeof openManualClock>): RequestStreams<Text, Text> {
  return createRequestStreams(net.pair.client, ECHO, { networkId: NETWORK_ID, ...(clock && { clock }) })
}

function ask(asker: RequestStreams<Text, Text>, text: string, signal: AbortSignal = new AbortController().signal) {
  return asker.request(net.pair.server.peerId, { text }, signal)
}

/** A handler that answers when the test says so, or when its stream is gone; and what it was asked. */
function openHandler() {
  const asked: { text: string; answer(): void }[] = []
  const handler: Handler<Text, Text> = ({ text }, { signal }) =>
    new Promise(resolve => {
      const answer = () => resolve({ ok: true, value: { text } })
      signal.addEventListener('abort', answer)
      asked.push({ text, answer })
    })
  return { asked, handler }
}

describe('a stream that lasts', () => {
  it('carries many requests, each with its answer', async () => {
    await serveEcho()
    await using asker = openAsker()
    const answers = await Promise.all(texts(50).map(text => ask(asker, text)))
    expect(answers).toEqual(texts(50).map(answerOf))
    expect(openStreams(net.pair.client, ECHO.id)).toBe(1)
  })

  it('counts its answers: who asks little and gets much is told to come back', async () => {
    const messageBytes = { burst: 10_000, perSecond: 0.001 }
    const limiter = createTrafficLimiter({ ...TRAFFIC_TERMS, messageBytes, paceMsMax: 0 })
    await serveEcho(async () => ({ ok: true, value: { text: 'x'.repeat(3_900) } }), { limiter })
    await using asker = openAsker()
    const kinds: string[] = []
    for (const text of texts(4)) kinds.push((await ask(asker, text)).kind)
    expect(kinds).toEqual(['answer', 'answer', 'answer', 'refused'])
  })

  it('serves whoever asks once and ends its half', async () => {
    await serveEcho()
    const { client, server } = net.pair
    const answer = await request(client, server.peerId, ECHO, { text: 'once' }, { networkId: NETWORK_ID })
    expect(answer).toEqual(answerOf('once'))
  })

  it('answers in order and goes on after a refusal', async () => {
    await serveEcho(async ({ text }) => (text === '1' ? refuse('NO', 'not this one') : { ok: true, value: { text } }))
    await using asker = openAsker()
    const answers = await Promise.all(texts(3).map(text => ask(asker, text)))
    expect(answers.map(({ kind }) => kind)).toEqual(['answer', 'refused', 'answer'])
  })

  it('has no more under way than its bound, and lets the next in as answers come', async () => {
    const { asked, handler } = openHandler()
    await serveEcho(handler)
    await using asker = openAsker()
    const leaving = new AbortController()
    const asking = texts(REQUESTS_IN_FLIGHT_MAX).map(text => ask(asker, text))
    const last = ask(asker, 'last', leaving.signal)
    await expect.poll(() => asked.length).toBe(2)
    leaving.abort(new Error('nobody wants it any more'))
    await expect(last).rejects.toThrow('nobody wants it any more')
    const next = ask(asker, 'next')
    for (let answered = 0; answered <= REQUESTS_IN_FLIGHT_MAX; answered += 1) {
      await expect.poll(() => asked.length).toBeGreaterThan(answered)
      asked[answered]!.answer()
    }
    await expect(Promise.all(asking)).resolves.toEqual(texts(REQUESTS_IN_FLIGHT_MAX).map(answerOf))
    await expect(next).resolves.toEqual(answerOf('next'))
    expect(asked.map(({ text }) => text)).not.toContain('last')
  })

  it('is opened again after it was cut, and asks once more what was under way', async () => {
    let cuts = 0
    await serveEcho(async ({ text }) => {
      if (text === 'cut' && cuts++ === 0) for (const stream of streamsOf()) stream.abort(new Error('cut'))
      return { ok: true, value: { text } }
    })
    const streamsOf = () => net.pair.server.getConnections().flatMap(connection => connection.streams)
    await using asker = openAsker()
    await ask(asker, 'first')
    await expect(ask(asker, 'cut')).resolves.toEqual(answerOf('cut'))
    expect(cuts).toBe(2)
  })

  it('that is cut before it has worked is no answer', async () => {
    await net.pair.server.handle(ECHO.id, stream => stream.abort(new Error('not you')))
    net.service = { [Symbol.asyncDispose]: () => net.pair.server.unhandle(ECHO.id) }
    await using asker = openAsker()
    await expect(ask(asker, 'hello')).resolves.toMatchObject({ kind: 'no-answer', code: 'CUT' })
  })

  it('whose peer is silent times out, and takes all that is under way with it', async () => {
    const clock = openManualClock()
    const { asked, handler } = openHandler()
    await serveEcho(handler)
    await using asker = openAsker(clock)
    const asking = texts(3).map(text => ask(asker, text))
    await expect.poll(() => asked.length).toBe(2)
    clock.elapse()
    for (const answer of await Promise.all(asking))
      expect(answer).toMatchObject({ kind: 'no-answer', code: 'TIMED_OUT' })
  })

  it('ends when nothing has been asked for a while', async () => {
    const clock = openManualClock()
    await serveEcho()
    await using asker = openAsker(clock)
    await ask(asker, 'hello')
    expect(openStreams(net.pair.client, ECHO.id)).toBe(1)
    clock.elapse()
    await expect.poll(() => openStreams(net.pair.server, ECHO.id)).toBe(0)
    await expect(ask(asker, 'again')).resolves.toEqual(answerOf('again'))
  })

  it('is ended by its server when it carries nothing', async () => {
    const clock = openManualClock()
    await serveEcho(echo, { clock })
    await using asker = openAsker()
    await ask(asker, 'hello')
    clock.elapse()
    await expect.poll(() => openStreams(net.pair.client, ECHO.id)).toBe(0)
    await expect(ask(asker, 'again')).resolves.toEqual(answerOf('again'))
  })

  it('to a peer that does not speak the protocol is no answer, and leaves nothing behind', async () => {
    await using asker = openAsker()
    await expect(ask(asker, 'hello')).resolves.toMatchObject({ kind: 'no-answer', code: 'UNSUPPORTED' })
  })

  it('ends with whoever asks', async () => {
    const { asked, handler } = openHandler()
    await serveEcho(handler)
    const asker = openAsker()
    const asking = ask(asker, 'hello')
    await expect.poll(() => asked.length).toBe(1)
    await asker.stop()
    await expect(asking).resolves.toMatchObject({ kind: 'no-answer' })
    await expect(ask(asker, 'late')).resolves.toMatchObject({ kind: 'no-answer', code: 'UNREACHABLE' })
  })
})
