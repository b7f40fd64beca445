import * as dagCbor from '@ipld/dag-cbor'
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BulkFrame } from '../../src/protocols/bulk-frames.ts'
import { encodeBulkFrame } from '../../src/protocols/bulk-frames.ts'
import { refuse } from '../../src/protocols/protocol.ts'
import type { ServeOptions } from '../../src/protocols/serve-streams.ts'
import type { UploadOptions } from '../../src/protocols/upload.ts'
import { serveUpload, upload } from '../../src/protocols/upload.ts'
import { countListeners, NETWORK_ID, openManualClock, openPair, usePair } from './network.ts'
import { CHUNK_SIZE_BYTES, MemorySink, openSource, patternOf, TRANSFER } from './transfers.ts'

const net = usePair(TRANSFER.id)

async function serveSink(sink: MemorySink, options: Partial<ServeOptions> = {}, server = net.pair.server) {
  net.service = await serveUpload(server, TRANSFER, async () => ({ ok: true, value: sink }), {
    networkId: NETWORK_ID,
    ...options
  })
}

function send(source: (offset: number) => AsyncIterable<Uint8Array>, options: Partial<UploadOptions> = {}) {
  return upload(net.pair.client, net.pair.server.peerId, TRANSFER, { name: 'x' }, source, {
    networkId: NETWORK_ID,
    ...options
  })
}

/** A server that opens every upload and then does what the test says. */
async function serveRaw(answer: (frames: ReturnType<typeof lpStream>, stream: Stream) => Promise<void>) {
  await net.pair.server.handle(TRANSFER.id, async stream => {
    const frames = lpStream(stream)
    await frames.read()
    await frames.write(dagCbor.encode({ v: 1, network: NETWORK_ID, body: { ok: true, value: { offset: 0 } } }))
    await answer(frames, stream)
  })
  net.service = { [Symbol.asyncDispose]: () => net.pair.server.unhandle(TRANSFER.id) }
}

/** A client that opens an upload, hears where to begin, and then does what the test says. */
async function openRaw(client = net.pair.client) {
  const stream = await client.dialProtocol(net.pair.server.peerId, TRANSFER.id)
  const frames = lpStream(stream)
  await frames.write(dagCbor.encode({ v: 1, network: NETWORK_ID, body: { name: 'x' } }))
  await frames.read()
  return {
    stream,
    write: (frame: BulkFrame) => frames.writeV([Buffer.concat(encodeBulkFrame(frame))])
  }
}

describe('an upload', () => {
  it.each([0, 1, CHUNK_SIZE_BYTES - 1, CHUNK_SIZE_BYTES, CHUNK_SIZE_BYTES + 1, 20 * CHUNK_SIZE_BYTES + 5])(
    'of %i bytes arrives whole',
    async sizeBytes => {
      const sink = new MemorySink()
      await serveSink(sink)
      const bytes = patternOf(sizeBytes)
      const answer = await send(openSource(bytes, 5000).from)
      expect(answer).toEqual({ kind: 'answer', value: { sizeBytes } })
      expect(Buffer.concat(sink.received).equals(bytes)).toBe(true)
      expect(sink.endings).toEqual(['finish'])
    }
  )

  it('goes on where the server stands, and reports progress from there to the end', async () => {
    const offset = 3 * CHUNK_SIZE_BYTES + 100
    const bytes = patternOf(8 * CHUNK_SIZE_BYTES)
    const sink = new MemorySink(offset)
    await serveSink(sink)
    const progress: number[] = []
    const answer = await send(openSource(bytes).from, { onProgress: sizeBytes => progress.push(sizeBytes) })
    expect(answer).toEqual({ kind: 'answer', value: { sizeBytes: bytes.length } })
    expect(Buffer.concat(sink.received).equals(bytes.subarray(offset))).toBe(true)
    expect(progress[0]).toBe(offset)
    expect(progress.at(-1)).toBe(bytes.length)
    expect(progress).toEqual(progress.toSorted((left, right) => left - right))
  })

  it('never runs further ahead of a slow disk than its credit', async () => {
    const sink = new MemorySink()
    const source = openSource(patternOf(64 * CHUNK_SIZE_BYTES))
    let aheadBytesMax = 0
    sink.onWrite = async () => {
      // A few turns of the event loop: as long as the sender would need to flood us.
      for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
      aheadBytesMax = Math.max(aheadBytesMax, source.pulledBytes - sink.receivedBytes)
      return undefined
    }
    await serveSink(sink)
    await expect(send(source.from)).resolves.toMatchObject({ kind: 'answer' })
    // Three on the way and one in the sender's hand.
    expect(aheadBytesMax).toBeLessThanOrEqual((TRANSFER.chunksInFlightMax + 1) * CHUNK_SIZE_BYTES)
    expect(aheadBytesMax).toBeGreaterThan(CHUNK_SIZE_BYTES)
  })

  it('runs beside another on one connection', async () => {
    await serveSink(new MemorySink())
    const sinks = new Map([
      ['a', new MemorySink()],
      ['b', new MemorySink()]
    ])
    await net.service?.[Symbol.asyncDispose]()
    net.service = await serveUpload(
      net.pair.server,
      TRANSFER,
      async ({ name }) => ({ ok: true, value: sinks.get(name)! }),
      {
        networkId: NETWORK_ID
      }
    )
    const bytes = patternOf(30 * CHUNK_SIZE_BYTES)
    const answers = await Promise.all(
      ['a', 'b'].map(name =>
        upload(net.pair.client, net.pair.server.peerId, TRANSFER, { name }, openSource(bytes).from, {
          networkId: NETWORK_ID
        })
      )
    )
    expect(answers.map(({ kind }) => kind)).toEqual(['answer', 'answer'])
    for (const sink of sinks.values()) expect(Buffer.concat(sink.received).equals(bytes)).toBe(true)
  })
})

describe('a server that refuses', () => {
  it('at the opening, is not sent a byte', async () => {
    net.service = await serveUpload(net.pair.server, TRANSFER, async () => refuse('UNKNOWN_DEAL', 'no such deal'), {
      networkId: NETWORK_ID
    })
    const source = openSource(patternOf(100))
    await expect(send(source.from)).resolves.toMatchObject({ kind: 'refused', code: 'UNKNOWN_DEAL' })
    expect(source.calls).toBe(0)
  })

  it('midway, is heard while bytes still flow, and the source is closed', async () => {
    const sink = new MemorySink()
    sink.onWrite = async () => (sink.receivedBytes > 0 ? refuse('NO_SPACE', 'the disk is full') : undefined)
    await serveSink(sink)
    const source = openSource(patternOf(50 * CHUNK_SIZE_BYTES))
    await expect(send(source.from)).resolves.toMatchObject({ kind: 'refused', code: 'NO_SPACE' })
    await source.closed.promise
    expect(source.pulledBytes).toBeLessThan(10 * CHUNK_SIZE_BYTES)
    await expect(sink.ended.promise).resolves.toMatchObject({ code: 'NO_SPACE' })
    expect(sink.endings).toEqual(['abort'])
  })

  it('midway, is heard also when the source has nothing to yield for ever', async () => {
    const sink = new MemorySink()
    sink.onWrite = async () => refuse('NO_SPACE', 'the disk is full')
    await serveSink(sink)
    async function* stuck() {
      yield new Uint8Array(CHUNK_SIZE_BYTES)
      await new Promise(() => {})
    }
    await expect(send(stuck)).resolves.toMatchObject({ kind: 'refused', code: 'NO_SPACE' })
  })

  it('at the end, has its word passed on and its sink left alone', async () => {
    const sink = new MemorySink()
    sink.onFinish = async () => refuse('WRONG_PIECE', 'the hash differs')
    await serveSink(sink)
    await expect(send(openSource(patternOf(10)).from)).resolves.toMatchObject({ kind: 'refused', code: 'WRONG_PIECE' })
    expect(sink.endings).toEqual(['finish'])
  })

  it.each(['onWrite', 'onFinish'] as const)(
    'because its own %s throws, says INTERNAL and aborts the sink once',
    async step => {
      const bug = new Error('EIO')
      const errors: unknown[] = []
      const sink = new MemorySink()
      sink[step] = (): Promise<never> => Promise.reject(bug)
      await serveSink(sink, { onError: error => errors.push(error) })
      const source = openSource(patternOf(20 * CHUNK_SIZE_BYTES))
      await expect(send(source.from)).resolves.toMatchObject({ kind: 'refused', code: 'INTERNAL', details: {} })
      await expect(sink.ended.promise).resolves.toBe(bug)
      expect(sink.calls.filter(call => call === 'abort')).toHaveLength(1)
      expect(errors).toEqual([bug])
    }
  )
})

describe('a sender that goes', () => {
  it('by the throw of its own source, leaves no finished upload and sees its own error', async () => {
    const sink = new MemorySink()
    await serveSink(sink)
    const failure = new Error('the file changed')
    async function* failing() {
      yield new Uint8Array(2 * CHUNK_SIZE_BYTES)
      throw failure
    }
    await expect(send(failing)).rejects.toBe(failure)
    await expect(sink.ended.promise).resolves.toMatchObject({ code: 'STREAM_CUT' })
    expect(sink.endings).toEqual(['abort'])
  })

  it('by a kill of the whole node, is not taken for one that is done', async () => {
    await using dying = await openPair()
    const sink = new MemorySink()
    await using _ = await serveUpload(dying.server, TRANSFER, async () => ({ ok: true, value: sink }), {
      networkId: NETWORK_ID
    })
    sink.onWrite = async () => {
      for (const connection of dying.client.getConnections()) connection.abort(new Error('killed'))
      return undefined
    }
    const options = { networkId: NETWORK_ID }
    const source = openSource(patternOf(9 * CHUNK_SIZE_BYTES)).from
    const answer = upload(dying.client, dying.server.peerId, TRANSFER, { name: 'x' }, source, options)
    await expect(answer).resolves.toMatchObject({ kind: 'no-answer', code: 'CUT' })
    await expect(sink.ended.promise).resolves.toMatchObject({ code: 'STREAM_CUT' })
    expect(sink.endings).toEqual(['abort'])
  })

  it('by ending its half without the end frame, is not taken for one that is done', async () => {
    const sink = new MemorySink()
    await serveSink(sink)
    const raw = await openRaw()
    await raw.write({ kind: 'chunk', bytes: new Uint8Array(CHUNK_SIZE_BYTES) })
    await raw.stream.close()
    await expect(sink.ended.promise).resolves.toMatchObject({ code: 'STREAM_CUT' })
    expect(sink.endings).toEqual(['abort'])
  })
})

describe('a sender without manners', () => {
  const breaches: [string, BulkFrame[]][] = [
    ['an end with the wrong total', [{ kind: 'end', totalBytes: 1 }]],
    ['a credit', [{ kind: 'credit' }]],
    ['an answer', [{ kind: 'answer', bytes: new Uint8Array(3) }]],
    ['an empty chunk', [{ kind: 'chunk', bytes: new Uint8Array(0) }]],
    ['a chunk after a short one', [1, 1].map(size => ({ kind: 'chunk', bytes: new Uint8Array(size) }))],
    ['a chunk above the size', [{ kind: 'chunk', bytes: new Uint8Array(CHUNK_SIZE_BYTES + 1) }]]
  ]

  it.each(breaches)('is reset for %s', async (_, frames) => {
    const sink = new MemorySink()
    await serveSink(sink)
    const raw = await openRaw()
    for (const frame of frames) await raw.write(frame)
    await expect(sink.ended.promise).resolves.toMatchObject({ code: 'FRAME_INVALID' })
    expect(sink.endings).toEqual(['abort'])
  })

  it('is reset for bytes beyond its credit, which are not kept', async () => {
    const sink = new MemorySink()
    const stalled = Promise.withResolvers<undefined>()
    sink.onWrite = () => stalled.promise
    await serveSink(sink)
    const raw = await openRaw()
    const reset = new Promise(resolve => raw.stream.addEventListener('close', resolve))
    const flood = (async () => {
      for (let index = 0; index < 6; index++)
        await raw.write({ kind: 'chunk', bytes: new Uint8Array(CHUNK_SIZE_BYTES) })
    })()
    await Promise.allSettled([reset, flood])
    await reset
    stalled.resolve(undefined)
    await sink.ended.promise
    expect(sink.receivedBytes).toBeLessThanOrEqual(CHUNK_SIZE_BYTES)
    expect(sink.endings).toEqual(['abort'])
  })

  it('is cut off when it drips a chunk for longer than the idle time', async () => {
    const clock = openManualClock()
    const sink = new MemorySink()
    await serveSink(sink, { clock })
    const raw = await openRaw()
    raw.stream.send(Uint8Array.of(0x80, 0x80, 0x01, 0, 1, 2, 3))
    clock.elapse()
    await expect(sink.ended.promise).resolves.toMatchObject({ code: 'TIMED_OUT' })
    expect(sink.endings).toEqual(['abort'])
  })
})

describe('a receiver without manners', () => {
  it('that gives no credit is no answer after the idle time', async () => {
    const clock = openManualClock()
    await serveRaw(async frames => {
      await frames.read()
      clock.elapse()
    })
    const source = openSource(patternOf(9 * CHUNK_SIZE_BYTES))
    await expect(send(source.from, { clock })).resolves.toMatchObject({ kind: 'no-answer', code: 'TIMED_OUT' })
    expect(source.pulledBytes).toBeLessThanOrEqual(4 * CHUNK_SIZE_BYTES)
    await source.closed.promise
  })

  it('that gives credit for nothing is no answer', async () => {
    await serveRaw(async frames => {
      for (let index = 0; index < 4; index++) await frames.write(Uint8Array.of(1))
    })
    await expect(send(openSource(patternOf(10)).from)).resolves.toMatchObject({ kind: 'no-answer', code: 'INVALID' })
  })

  it('that ends early is no answer, and it is said where', async () => {
    await serveRaw((_, stream) => stream.close())
    await expect(send(openSource(patternOf(100_000)).from)).resolves.toMatchObject({
      kind: 'no-answer',
      code: 'CUT',
      reason: expect.stringContaining('after taking 0 bytes')
    })
  })
})

describe('the caller’s signal', () => {
  it('aborted before, throws its reason and touches nothing', async () => {
    const sink = new MemorySink()
    await serveSink(sink)
    const reason = new Error('too late')
    const source = openSource(patternOf(10))
    await expect(send(source.from, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect([source.calls, sink.calls]).toEqual([0, []])
  })

  it('aborted in the middle, throws its reason, closes the source and aborts the sink', async () => {
    const canceller = new AbortController()
    const reason = new Error('changed my mind')
    const sink = new MemorySink()
    sink.onWrite = async () => {
      canceller.abort(reason)
      return undefined
    }
    await serveSink(sink)
    const source = openSource(patternOf(50 * CHUNK_SIZE_BYTES))
    await expect(send(source.from, { signal: canceller.signal })).rejects.toBe(reason)
    await source.closed.promise
    await sink.ended.promise
    expect(sink.endings).toEqual(['abort'])
  })

  it('keeps no listener and no timer after the answer', async () => {
    const canceller = new AbortController()
    const listeners = countListeners(canceller.signal)
    const clock = openManualClock()
    await serveSink(new MemorySink())
    await send(openSource(patternOf(100_000)).from, { signal: canceller.signal, clock })
    expect([listeners(), clock.sleepers]).toEqual([0, 0])
  })
})

it('is disposed only when its sinks have ended', async () => {
  const sink = new MemorySink()
  const started = Promise.withResolvers<void>()
  sink.onWrite = async () => {
    started.resolve()
    return undefined
  }
  await serveSink(sink)
  async function* endless() {
    for (;;) yield new Uint8Array(CHUNK_SIZE_BYTES)
  }
  const answer = send(endless)
  await started.promise
  await net.service?.[Symbol.asyncDispose]()
  expect(sink.endings).toEqual(['abort'])
  await expect(answer).resolves.toMatchObject({ kind: 'no-answer', code: 'CUT' })
})

it('survives whatever a stranger writes on its streams', async () => {
  const errors: unknown[] = []
  const sinks: MemorySink[] = []
  const accept = async () => {
    const sink = new MemorySink()
    sinks.push(sink)
    return { ok: true, value: sink } as const
  }
  net.service = await serveUpload(net.pair.server, TRANSFER, accept, {
    networkId: NETWORK_ID,
    onError: error => errors.push(error)
  })
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
      async (polite, pieces) => {
        const stream = polite
          ? (await openRaw()).stream
          : await net.pair.client.dialProtocol(net.pair.server.peerId, TRANSFER.id)
        for (const piece of pieces) if (stream.writeStatus === 'writable') stream.send(piece)
        await stream.close().catch(() => {})
        if (stream.status === 'open') await new Promise(resolve => stream.addEventListener('close', resolve))
      }
    ),
    { numRuns: 60 }
  )
  expect(errors).toEqual([])
  expect(sinks.length).toBeGreaterThan(10)
  await net.service[Symbol.asyncDispose]()
  expect(new Set(sinks.map(({ endings }) => endings.join()))).toEqual(new Set(['abort']))
  await serveSink(new MemorySink())
  await expect(send(openSource(patternOf(10)).from)).resolves.toMatchObject({ kind: 'answer' })
})
