import { createHash } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createSocketServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { HttpRequest } from '@holdfast/core'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach, describe, expect, it } from 'vitest'
import { createHttpSource } from '../../src/client/http-source.ts'
import { createTlsParty } from '../../src/transport/tls-party.ts'
import { randomBytes } from '../storage/open-test-store.ts'

const MIB = 2 ** 20
const BLOCK = randomBytes(1, MIB)
const party = createTlsParty(await generateKeyPair('secp256k1'))

let life = new AsyncDisposableStack()
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function listen(server: ReturnType<typeof createSocketServer>): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  life.defer(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const serve = (listener: RequestListener) => listen(createServer(listener))

/** Whatever is asked, the answer is these bytes, and then nothing or the end. */
const say = (answer: string, ends = false) =>
  listen(
    createSocketServer(socket => {
      socket.on('error', () => undefined)
      socket.once('data', () => (ends ? socket.end(answer) : socket.write(answer)))
    })
  )

const openSource = () => life.use(createHttpSource({ named: [], party }))

function ask(origin: string, wishes: Partial<HttpRequest> = {}, source = openSource()) {
  let allocated = 0
  return source.request({
    origin,
    accept: 'application/vnd.ipld.raw',
    target: '/ipfs/a?format=raw',
    sizeBytesMax: 2 * MIB,
    timeoutMs: 2_000,
    wholeTimeoutMs: 2_000,
    allocate(sizeBytes) {
      allocated += sizeBytes
      expect(allocated).toBeLessThanOrEqual(2 * MIB)
      return new Uint8Array(sizeBytes)
    },
    onAnswer: () => undefined,
    onBytes: () => undefined,
    ...wishes
  })
}

describe('an answer', () => {
  it('comes with its digest, however its bytes come, and the connection is kept', async () => {
    const ports = new Set<number | undefined>()
    const origin = await serve(async ({ socket, headers, url }, response) => {
      ports.add(socket.remotePort)
      expect([url, headers.accept]).toEqual(['/ipfs/a?format=raw', 'application/vnd.ipld.raw'])
      response.writeHead(200, { 'Content-Length': BLOCK.length })
      for (let offset = 0; offset < BLOCK.length; offset += 100_001) {
        response.write(BLOCK.subarray(offset, offset + 100_001))
        await new Promise<void>(resolve => setImmediate(resolve))
      }
      response.end()
    })
    const source = openSource()
    for (let turn = 0; turn < 3; turn++) {
      let seen = 0
      const onBytes = (bytes: Uint8Array, filled: number) => {
        expect(filled).toBeGreaterThan(seen)
        expect(Buffer.compare(bytes.subarray(seen, filled), BLOCK.subarray(seen, filled))).toBe(0)
        seen = filled
      }
      const answer = await ask(origin, { onBytes }, source)
      expect(seen).toBe(BLOCK.length)
      expect(answer.ok && Buffer.compare(answer.bytes, BLOCK)).toBe(0)
      expect(answer).toMatchObject({ sha256: createHash('sha256').update(BLOCK).digest() })
    }
    expect(ports.size).toBe(1)
  })

  it('is right for each of many who ask at once', async () => {
    const blocks = Array.from({ length: 12 }, (_, index) => randomBytes(index, 300_000 + index))
    const ports = new Set<number | undefined>()
    const origin = await serve(({ socket, url }, response) => {
      ports.add(socket.remotePort)
      response.end(blocks[Number(url?.slice(1))])
    })
    const source = openSource()
    const answers = await Promise.all(blocks.map((_, index) => ask(origin, { target: `/${index}` }, source)))
    for (const [index, answer] of answers.entries())
      expect(answer.ok && Buffer.compare(answer.bytes, blocks[index]!)).toBe(0)
    expect(ports.size).toBe(8)
  })

  it('is right however often a connection is used, and however its bytes are cut', async () => {
    let connections = 0
    const origin = await listen(
      createSocketServer({ noDelay: true }, socket => {
        connections += 1
        socket.on('error', () => undefined)
        let turn = 0
        socket.on('data', async () => {
          const body = 'x'.repeat(turn)
          const answer = `HTTP/1.1 200 OK\r\nX-Filler: ${'y'.repeat(500)}\r\ncontent-LENGTH:${turn}\r\n\r\n${body}`
          const cut = turn * 7
          turn += 1
          socket.write(answer.slice(0, cut))
          await pause(turn % 10 === 0 ? 5 : 0)
          socket.write(answer.slice(cut))
        })
      })
    )
    const source = openSource()
    for (let turn = 0; turn < 90; turn++) {
      const answer = await ask(origin, {}, source)
      expect(answer).toMatchObject({ ok: true, bytes: new TextEncoder().encode('x'.repeat(turn)) })
    }
    expect(connections).toBe(1)
  })

  it('comes over another connection after a server that would not keep the one, or ended it', async () => {
    const ports: (number | undefined)[] = []
    const origin = await serve(({ socket }, response) => {
      ports.push(socket.remotePort)
      if (ports.length === 2) setImmediate(() => socket.end())
      response.writeHead(200, { 'Content-Length': 1, ...(ports.length === 1 && { Connection: 'close' }) }).end('x')
    })
    const source = openSource()
    for (let turn = 0; turn < 3; turn++) {
      expect(await ask(origin, {}, source)).toMatchObject({ ok: true })
      await pause(50)
    }
    expect(new Set(ports).size).toBe(3)
  })

  it('is a part where one is asked for, and nothing else', async () => {
    const origin = await serve(({ headers }, response) => {
      expect(headers.range).toBe('bytes=10-19')
      response.writeHead(206, { 'Content-Length': 10 }).end(BLOCK.subarray(10, 20))
    })
    const answer = await ask(origin, { range: { offset: 10, length: 10 } })
    expect(answer).toMatchObject({ ok: true, bytes: Uint8Array.from(BLOCK.subarray(10, 20)) })
    const whole = await serve((_, response) => void response.end(BLOCK))
    expect(await ask(whole, { range: { offset: 10, length: 10 } })).toEqual({
      ok: false,
      reason: 'answered with status 200',
      isSilent: false
    })
  })

  it('may be empty', async () => {
    const origin = await serve((_, response) => void response.writeHead(200, { 'Content-Length': 0 }).end())
    expect(await ask(origin)).toMatchObject({ ok: true, bytes: new Uint8Array() })
  })
})

describe('a server that does as it likes', () => {
  const LATE = /within 300 ms/
  const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n'
  const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'

  it.each([
    ['says another status', 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', /status 404/],
    ['sends us on', 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n', /status 302/],
    ['says no length', `${CHUNKED}\r\n`, /does not say/],
    ['says too great a length', 'HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n', /does not say/],
    ['says two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc', /does not say/],
    ['says a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n', /does not say/],
    ['says both how', `${CHUNKED}Content-Length: 3\r\n\r\nabc`, /does not say/],
    ['makes us wait for more', 'HTTP/1.1 100 Continue\r\n\r\n', /status 100/],
    ['says a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n', /./],
    ['speaks no HTTP', 'SSH-2.0-x\r\n', /./],
    ['never ends its headers', `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(20_000)}`, /./],
    ['falls silent', HEAD, LATE],
    ['falls silent midway', `${HEAD}abc`, LATE]
  ])('%s: no answer, and nothing thrown', async (_, answer, reason) => {
    const origin = await say(answer)
    expect(await ask(origin, { timeoutMs: 300, wholeTimeoutMs: 300 })).toEqual({
      ok: false,
      reason: expect.stringMatching(reason),
      isSilent: reason === LATE
    })
  })

  it('hangs up in the middle, or sends more than it said', async () => {
    expect(await ask(await say(`${HEAD}abc`, true))).toMatchObject({ ok: false })
    expect(await ask(await say('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef'))).toMatchObject({ ok: false })
  })

  it('says more once it has answered: nobody asks it again', async () => {
    let connections = 0
    const origin = await listen(
      createSocketServer(socket => {
        connections += 1
        socket.on('error', () => undefined)
        socket.once('data', async () => {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc')
          await pause(20)
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxyz')
        })
      })
    )
    const source = openSource()
    for (let turn = 0; turn < 2; turn++) {
      const answer = await ask(origin, {}, source)
      expect(answer).toMatchObject({ ok: true, bytes: new TextEncoder().encode('abc') })
      await pause(60)
    }
    expect(connections).toBe(2)
  })

  it('leaves no room for the next who asks: he is told in time, and comes in when one has gone', async () => {
    const held: (() => void)[] = []
    const origin = await serve((_, response) => {
      held.push(() => response.writeHead(200, { 'Content-Length': 1 }).end('x'))
    })
    const source = openSource()
    const first = Array.from({ length: 8 }, () => ask(origin, {}, source))
    await expect.poll(() => held.length).toBe(8)
    expect(await ask(origin, { timeoutMs: 100 }, source)).toMatchObject({ ok: false, isSilent: true })
    const leaving = new AbortController()
    const left = ask(origin, { signal: leaving.signal }, source)
    leaving.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    const next = ask(origin, {}, source)
    held.shift()!()
    await expect.poll(() => held.length).toBe(8)
    for (const answer of held.splice(0)) answer()
    for (const answer of await Promise.all([...first, next])) expect(answer).toMatchObject({ ok: true })
  })

  it('is not there', async () => {
    expect(await ask('http://127.0.0.1:1')).toMatchObject({
      ok: false,
      reason: expect.stringContaining('ECONNREFUSED')
    })
  })
})

it('ends with its signal, and its connection with it', async () => {
  let closed: Promise<void> | undefined
  const origin = await serve(({ socket }) => {
    closed = new Promise(resolve => socket.once('close', () => resolve()))
    leaving.abort(new Error('gone'))
  })
  const leaving = new AbortController()
  await expect(ask(origin, { signal: leaving.signal })).rejects.toThrow('gone')
  await closed
  await expect(ask(origin, { signal: leaving.signal })).rejects.toThrow('gone')
})

it.each([
  ['127.0.0.1', [true, false, false]],
  ['203.0.113.7', [false, false, true]]
])('dials what the network lets it dial, whose description names %s', (ip, expected) => {
  const source = life.use(createHttpSource({ named: [`/ip4/${ip}/tcp/80`], party }))
  const gateways = ['127.0.0.1', '192.168.1.9', '203.0.113.7'].map(host => `/ip4/${host}/tcp/80/http`)
  expect(gateways.map(address => source.mayDial(address))).toEqual(expected)
})
