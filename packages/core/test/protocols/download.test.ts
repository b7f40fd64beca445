import * as dagCbor from '@ipld/dag-cbor'
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { describe, expect, it } from 'vitest'
import type { BulkFrame } from '../../src/protocols/bulk-frames.ts'
import { encodeBulkFrame } from '../../src/protocols/bulk-frames.ts'
import type { Download, DownloadOptions, DownloadSource } from '../../src/protocols/download.ts'
import { download, serveDownload } from '../../src/protocols/download.ts'
import { CHUNK_SIZE_BYTES_MAX } from '../../src/protocols/limits.ts'
import { refuse, refuseMidway } from '../../src/protocols/protocol.ts'
import type { ServeOptions } from '../../src/protocols/serve-streams.ts'
import { createTrafficLimiter, type TrafficLimiter } from '../../src/protocols/traffic-limiter.ts'
import { countListeners, NETWORK_ID, openManualClock, usePair } from './network.ts'
import type { Sized } from './transfers.ts'
import { CHUNK_SIZE_BYTES, collect, openSource, patternOf, TRANSFER } from './transfers.ts'

const net = usePair(TRANSFER.id)

async function serveSource(chunks: AsyncIterable<Uint8Array>, options: Partial<ServeOptions> = {}) {
  const source: DownloadSource<Sized> = { header: { sizeBytes: 7 }, chunks }
  net.service = await serveDownload(net.pair.server, TRANSFER, async () => ({ ok: true, value: source }), {
    networkId: NETWORK_ID,
    ...options
  })
}

function ask(options: Partial<DownloadOptions<Sized>> = {}) {
  return download(
    net.pair.client,
    net.pair.server.peerId,
    TRANSFER,
    { name: 'x' },
    { networkId: NETWORK_ID, ...options }
  )
}

async function open(options: Partial<DownloadOptions<Sized>> = {}): Promise<Download<Sized>> {
  const answer = await ask(options)
  if (answer.kind !== 'answer') throw new Error(`expected an answer, got ${answer.kind}`)
  return answer.value
}

async function read(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await collect(chunks))
}

/** A server that opens every download and then does what the test says. */
async function serveRaw(answer: (write: (frame: BulkFrame) => Promise<void>, stream: Stream) => Promise<void>) {
  await net.pair.server.handle(TRANSFER.id, async stream => {
    const frames = lpStream(stream)
    await frames.read()
    await frames.write(dagCbor.encode({ v: 1, network: NETWORK_ID, body: { ok: true, value: { sizeBytes: 7 } } }))
    await answer(frame => frames.writeV([Buffer.concat(encodeBulkFrame(frame))]), stream)
  })
  net.service = { [Symbol.asyncDispose]: () => net.pair.server.unhandle(TRANSFER.id) }
}

describe('a download', () => {
  it.each([0, 1, CHUNK_SIZE_BYTES, 20 * CHUNK_SIZE_BYTES + 5])(
    'of %i bytes arrives whole, after its header',
    async sizeBytes => {
      const bytes = patternOf(sizeBytes)
      await serveSource(openSource(bytes, 5000).from(0))
      const { header, chunks } = await open()
      expect(header).toEqual({ sizeBytes: 7 })
      expect((await read(chunks)).equals(bytes)).toBe(true)
    }
  )

  it('is refused before the first byte', async () => {
    net.service = await serveDownload(net.pair.server, TRANSFER, async () => refuse('UNKNOWN_PIECE', 'not here'), {
      networkId: NETWORK_ID
    })
    await expect(ask()).resolves.toMatchObject({ kind: 'refused', code: 'UNKNOWN_PIECE' })
  })

  it('reads no more from its source than a stalled reader has credit for', async () => {
    const source = openSource(patternOf(64 * CHUNK_SIZE_BYTES))
    await serveSource(source.from(0))
    const { chunks } = await open()
    await chunks.next()
    // Every one of these passes through the connection after all that the server could send without credit.
    for (let index = 0; index < 20; index++)
      await net.pair.client.dialProtocol(net.pair.server.peerId, '/nobody').catch(() => {})
    expect(source.pulledBytes).toBeLessThanOrEqual((TRANSFER.chunksInFlightMax + 1) * CHUNK_SIZE_BYTES)
    expect((await read(chunks)).length).toBe(63 * CHUNK_SIZE_BYTES)
  })

  it('closes its source when the reader leaves', async () => {
    const source = openSource(patternOf(64 * CHUNK_SIZE_BYTES))
    await serveSource(source.from(0))
    const { chunks } = await open()
    for await (const _ of chunks) break
    await source.closed.promise
    await expect(chunks.next()).resolves.toEqual({ done: true, value: undefined })
  })

  it.each([
    [CHUNK_SIZE_BYTES + 100, true],
    [2 * CHUNK_SIZE_BYTES + 128 * 1024, false]
  ])('of %i bytes is read ahead of the first credit: %s', async (sizeBytes, isWhole) => {
    const { promise: read, resolve } = Promise.withResolvers<boolean>()
    let isReleased = false
    async function* chunks() {
      let yielded = 0
      try {
        for (const size of [CHUNK_SIZE_BYTES, sizeBytes - CHUNK_SIZE_BYTES]) {
          yielded += size
          yield patternOf(size)
        }
      } finally {
        resolve(yielded === sizeBytes)
      }
    }
    const source = { header: { sizeBytes: 7 }, chunks: chunks(), sizeBytes, release: () => (isReleased = true) }
    net.service = await serveDownload(net.pair.server, TRANSFER, async () => ({ ok: true, value: source }), {
      networkId: NETWORK_ID
    })
    const opened = await open()
    await opened.chunks.next()
    // Nothing was taken yet: the credit goes with the next question.
    if (!isWhole) await opened.chunks.return?.()
    expect(await read).toBe(isWhole)
    expect(isReleased).toBe(false)
    if (isWhole) for await (const _ of opened.chunks);
    await net.service[Symbol.asyncDispose]()
    expect(isReleased).toBe(true)
  })

  it('can be left before its first chunk', async () => {
    await serveSource(openSource(patternOf(64 * CHUNK_SIZE_BYTES)).from(0))
    const { chunks } = await open()
    await chunks.return?.()
    await expect(read(chunks)).resolves.toHaveLength(0)
  })
})

describe('a stream that is kept', () => {
  const SIZE_BYTES = 3 * CHUNK_SIZE_BYTES + 5
  const keepsStreamAfter = ({ sizeBytes }: Sized) => sizeBytes

  /** @returns how many streams were opened, and what happened to each source */
  async function serveMany(options: Partial<ServeOptions> = {}, sizeBytes = SIZE_BYTES) {
    const served = { streams: 0, released: 0, refusing: false }
    const limiter = createTrafficLimiter()
    const counting: TrafficLimiter = {
      open(...terms) {
        served.streams += 1
        return limiter.open(...terms)
      },
      get usage() {
        return limiter.usage
      }
    }
    net.service = await serveDownload(
      net.pair.server,
      TRANSFER,
      async () =>
        served.refusing
          ? refuse('UNKNOWN_PIECE', 'not here')
          : {
              ok: true,
              value: {
                header: { sizeBytes },
                chunks: openSource(patternOf(sizeBytes)).from(0),
                release: () => (served.released += 1)
              }
            },
      { networkId: NETWORK_ID, limiter: counting, ...options }
    )
    return Object.assign(served, { limiter })
  }

  const whole = async (options: Partial<DownloadOptions<Sized>> = {}) =>
    (await read((await open({ keepsStreamAfter, ...options })).chunks)).equals(patternOf(SIZE_BYTES))

  it('carries one download after another, and holds nothing between them', async () => {
    const served = await serveMany()
    const canceller = new AbortController()
    const listeners = countListeners(canceller.signal)
    for (let i = 0; i < 5; i++) expect(await whole({ signal: canceller.signal })).toBe(true)
    expect(served.streams).toBe(1)
    expect(listeners()).toBe(0)
    await expect.poll(() => [served.released, served.limiter.usage.heldBytes]).toEqual([5, 0])
    expect(served.limiter.usage.streams).toBe(1)
  })

  it('is not shared: downloads side by side have one each, and the next ones those', async () => {
    const served = await serveMany()
    expect(await Promise.all([whole(), whole(), whole()])).toEqual([true, true, true])
    expect(await Promise.all([whole(), whole(), whole()])).toEqual([true, true, true])
    expect(served.streams).toBe(3)
  })

  it('is kept for who leaves when all has come, and reset for who leaves before', async () => {
    const served = await serveMany()
    let sizeBytes = 0
    for await (const chunk of (await open({ keepsStreamAfter })).chunks) {
      sizeBytes += chunk.length
      if (sizeBytes === SIZE_BYTES) break
    }
    await expect.poll(() => served.released).toBe(1)
    expect(await whole()).toBe(true)
    expect(served.streams).toBe(1)
    for await (const _ of (await open({ keepsStreamAfter })).chunks) break
    await expect.poll(() => served.limiter.usage.streams).toBe(0)
    expect(await whole()).toBe(true)
    expect(served.streams).toBe(2)
  })

  it('is not kept when it is gone', async () => {
    const served = await serveMany({}, CHUNK_SIZE_BYTES)
    const clock = openManualClock()
    const { chunks } = await open({ keepsStreamAfter, clock })
    await chunks.next()
    for (const { streams } of net.pair.client.getConnections())
      for (const stream of streams) if (stream.protocol === TRANSFER.id) stream.abort(new Error('gone'))
    await chunks.return?.()
    await expect.poll(() => served.limiter.usage.streams).toBe(0)
    expect(clock.sleepers).toBe(0)
  })

  it('leaves its last chunk to who left with it, also where the memory of chunks is used again', async () => {
    const large = { ...TRANSFER, chunkSizeBytesMax: CHUNK_SIZE_BYTES_MAX }
    let count = 0
    net.service = await serveDownload(
      net.pair.server,
      large,
      async () => {
        count += 1
        const bytes = patternOf(CHUNK_SIZE_BYTES_MAX).fill(count, 0, 1000)
        return { ok: true, value: { header: { sizeBytes: bytes.length }, chunks: openSource(bytes).from(0) } }
      },
      { networkId: NETWORK_ID }
    )
    const options = { networkId: NETWORK_ID, keepsStreamAfter, reusesChunks: 'with-the-next' as const }
    const takeOne = async () => {
      const answer = await download(net.pair.client, net.pair.server.peerId, large, { name: 'x' }, options)
      if (answer.kind !== 'answer') throw new Error(answer.kind)
      const { value } = await answer.value.chunks.next()
      await answer.value.chunks.return?.()
      return value
    }
    const first = await takeOne()
    const second = await takeOne()
    expect([first[0], first[999], second[0], second[999]]).toEqual([1, 1, 2, 2])
  })

  it('is given back when a refusal comes over it, also midway', async () => {
    const served = await serveMany()
    await whole()
    served.refusing = true
    await expect(ask({ keepsStreamAfter })).resolves.toMatchObject({ kind: 'refused', code: 'UNKNOWN_PIECE' })
    await expect.poll(() => served.limiter.usage.streams).toBe(0)
  })

  it('is replaced when the other side has tired of it', async () => {
    const clock = openManualClock()
    const served = await serveMany({ clock })
    await whole()
    await expect.poll(() => served.released).toBe(1)
    clock.elapse()
    expect(await whole()).toBe(true)
    expect(served.streams).toBe(2)
  })

  it('is ended by who has no use for it', async () => {
    const clock = openManualClock()
    const served = await serveMany()
    await whole({ clock })
    expect(clock.sleepers).toBe(1)
    clock.elapse()
    await expect.poll(() => served.limiter.usage.streams).toBe(0)
    await whole({ clock })
    expect(served.streams).toBe(2)
    clock.elapse()
  })
})

describe('bytes that stop before their end', () => {
  it('are refused midway with the refusal that the source throws', async () => {
    const errors: unknown[] = []
    await serveSource(
      (async function* () {
        yield patternOf(CHUNK_SIZE_BYTES)
        throw refuseMidway(refuse('DAMAGED', 'the disk has rotted', { offset: 7 }))
      })(),
      { onError: error => errors.push(error) }
    )
    const { chunks } = await open()
    await expect(read(chunks)).rejects.toMatchObject({
      code: 'TRANSFER_REFUSED',
      details: { code: 'DAMAGED', message: 'the disk has rotted', details: { offset: 7 } }
    })
    expect(errors).toEqual([])
  })

  it('are refused midway when the source throws, and the owner of the source hears why', async () => {
    const bug = new Error('EIO')
    const errors: unknown[] = []
    async function* failing() {
      yield new Uint8Array(2 * CHUNK_SIZE_BYTES)
      throw bug
    }
    await serveSource(failing(), { onError: error => errors.push(error) })
    const { chunks } = await open()
    await expect(read(chunks)).rejects.toMatchObject({ code: 'TRANSFER_REFUSED', details: { code: 'INTERNAL' } })
    expect(errors).toEqual([bug])
  })

  it.each([
    ['a clean end without the end frame', (stream: Stream) => stream.close()],
    ['a reset', async (stream: Stream) => stream.abort(new Error('no'))]
  ])('are cut, not done, after %s', async (_, stop) => {
    await serveRaw(async (write, stream) => {
      await write({ kind: 'chunk', bytes: new Uint8Array(CHUNK_SIZE_BYTES) })
      await stop(stream)
    })
    const { chunks } = await open()
    await expect(read(chunks)).rejects.toMatchObject({ code: 'TRANSFER_CUT' })
  })

  it('are cut after an end with the wrong total, or a chunk after a short one', async () => {
    const chunk = { kind: 'chunk', bytes: new Uint8Array(9) } as const
    for (const frames of [
      [chunk, { kind: 'end', totalBytes: 10 } as const],
      [chunk, chunk]
    ]) {
      await serveRaw(async write => {
        for (const frame of frames) await write(frame)
      })
      const { chunks } = await open()
      await expect(read(chunks)).rejects.toMatchObject({ code: 'TRANSFER_CUT' })
      await net.pair.server.unhandle(TRANSFER.id)
    }
  })

  it('are cut when the server is silent for the idle time', async () => {
    const clock = openManualClock()
    await serveRaw(write => write({ kind: 'chunk', bytes: new Uint8Array(CHUNK_SIZE_BYTES) }))
    const { chunks } = await open({ clock })
    await chunks.next()
    const next = chunks.next()
    setImmediate(clock.elapse)
    await expect(next).rejects.toMatchObject({ code: 'TRANSFER_CUT', cause: { code: 'TIMED_OUT' } })
  })

  it('are cut off by the server when the reader takes none for the idle time', async () => {
    const clock = openManualClock()
    const source = openSource(patternOf(64 * CHUNK_SIZE_BYTES))
    await serveSource(source.from(0), { clock })
    const { chunks } = await open()
    await chunks.next()
    await expect.poll(() => source.pulledBytes).toBe(CHUNK_SIZE_BYTES)
    clock.elapse()
    await source.closed.promise
    await expect(read(chunks)).rejects.toMatchObject({ code: 'TRANSFER_CUT' })
  })
})

describe('the caller’s signal', () => {
  it('aborted before, throws its reason', async () => {
    const reason = new Error('too late')
    await expect(ask({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it('aborted between two chunks, throws its reason and closes the source', async () => {
    const canceller = new AbortController()
    const reason = new Error('changed my mind')
    const source = openSource(patternOf(64 * CHUNK_SIZE_BYTES))
    await serveSource(source.from(0))
    const { chunks } = await open({ signal: canceller.signal })
    await chunks.next()
    canceller.abort(reason)
    await source.closed.promise
    await expect(chunks.next()).rejects.toBe(reason)
    await expect(chunks.next()).resolves.toEqual({ done: true, value: undefined })
  })

  it('keeps no listener and no timer after the last chunk, nor after the reader has left', async () => {
    const canceller = new AbortController()
    const listeners = countListeners(canceller.signal)
    const clock = openManualClock()
    const options = { signal: canceller.signal, clock }
    await serveSource(openSource(patternOf(100_000)).from(0))
    await read((await open(options)).chunks)
    expect([listeners(), clock.sleepers]).toEqual([0, 0])
    const { chunks } = await open(options)
    await chunks.return?.()
    expect([listeners(), clock.sleepers]).toEqual([0, 0])
  })
})
