import type { Libp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BlockProvider, createBlockFetcher } from '../../src/client/fetch-blocks.ts'
import type { HttpAnswer, HttpRequest, HttpSource } from '../../src/client/fetch-over-http.ts'
import { createMeasurements } from '../../src/client/measurements.ts'
import { type BlockPart, createLeafParts, LEAF_PART_SIZE_BYTES, readBytes } from '../../src/content/index.ts'
import { readBlocks } from '../../src/protocols/definitions.ts'
import { type DownloadSource, serveDownload } from '../../src/protocols/download.ts'
import { type Reply, refuse } from '../../src/protocols/protocol.ts'
import { file, packTree } from '../content/memory-content.ts'
import { pieceOf } from '../ledger/memory-pieces.ts'
import { PROVIDERS } from '../ledger/network-fixture.ts'
import { createNode, NETWORK_ID, openStreams } from '../protocols/network.ts'

type Sizes = { sizesBytes: number[]; ahead?: CID[] }
type Range = { readonly offset: number; readonly length: number }
type Answering = (cids: readonly CID[], part?: Range) => Reply<DownloadSource<Sizes>>

/** The first fills a chunk of the wire: it has come when the rest has not. */
const BLOCKS = await Promise.all(
  [2 ** 20, 1, 90_000, 3_000, 600_000].map(async (sizeBytes, index) => {
    const { bytes } = pieceOf(`block ${index}`, Math.max(127, sizeBytes))
    const block = bytes.subarray(0, sizeBytes)
    return { cid: CID.createV1(raw.code, await sha256.digest(block)), block }
  })
)
const CIDS = BLOCKS.map(({ cid }) => cid)
const blockOf = (cid: CID) => BLOCKS.find(one => one.cid.equals(cid))!.block

let life = new AsyncDisposableStack()
let client: Libp2p
let failures: { provider: string; reason: string }[]
beforeEach(async () => {
  failures = []
  client = await openNode()
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function openNode(): Promise<Libp2p> {
  const node = await createNode()
  life.defer(() => node.stop())
  return node
}

/** A provider whose every answer is counted. */
async function openProvider(index: number, answer: Answering): Promise<BlockProvider & { readonly asked: CID[][] }> {
  const node = await openNode()
  const asked: CID[][] = []
  life.use(
    await serveDownload(
      node,
      readBlocks,
      async ({ cids, part }) => {
        asked.push(cids)
        return answer(cids, part)
      },
      { networkId: NETWORK_ID }
    )
  )
  return { provider: PROVIDERS[index]!.address, addresses: node.getMultiaddrs().map(String), asked }
}

function send(blocks: readonly Uint8Array[], sizesBytes = blocks.map(({ length }) => length)) {
  async function* chunks() {
    yield* blocks
  }
  const sizeBytes = blocks.reduce((sum, { length }) => sum + length, 0)
  return { ok: true, value: { header: { sizesBytes }, chunks: chunks(), sizeBytes } } as const
}

const honest: Answering = cids => send(cids.map(blockOf))

function fetcherOf(...providers: readonly BlockProvider[]) {
  return fetcherOver(undefined, ...providers)
}

function fetcherOver(http: HttpSource | undefined, ...providers: readonly BlockProvider[]) {
  return createBlockFetcher({
    node: client,
    networkId: NETWORK_ID,
    providers,
    http,
    allowsPlainHttp: true,
    onFailure: failure => failures.push(failure)
  })
}

/** Which blocks came, by their place in `BLOCKS`: -1 for bytes that are none of them. */
async function fetchAll(fetchBlocks: ReturnType<typeof fetcherOf>, cids: readonly CID[] = CIDS): Promise<number[]> {
  const found: number[] = []
  for await (const block of fetchBlocks(cids, {})) found.push(placeOf(block))
  return found
}

function placeOf(bytes: Uint8Array): number {
  return BLOCKS.findIndex(({ block }) => Buffer.compare(block, bytes) === 0)
}

/** Those that are kept for the next blocks of a provider that sent all it was asked for. */
async function expectStreams(count: number): Promise<void> {
  await expect.poll(() => openStreams(client, readBlocks.id)).toBe(count)
}

const ALL = BLOCKS.map(({ block }) => block)
const EVERY = BLOCKS.map((_, place) => place)

it('gives the blocks in the order asked, from one provider while it is good', async () => {
  const [one, two] = [await openProvider(0, honest), await openProvider(1, honest)]
  const fetchBlocks = fetcherOf(one, two)
  expect(await fetchAll(fetchBlocks)).toEqual(EVERY)
  expect(await fetchAll(fetchBlocks, [CIDS[3]!, CIDS[3]!])).toEqual([3, 3])
  expect(one.asked).toHaveLength(2)
  expect(two.asked).toEqual([])
  await expectStreams(1)
})

describe('a part of a block', () => {
  const [cid, block] = [CIDS[4]!, ALL[4]!]
  const known = createLeafParts()
  const partOf = async () => {
    await known.learn(cid, block)
    return known.around(cid, block.length, 20_000, 90_000)!
  }
  const fetchPart = async (fetchBlocks: ReturnType<typeof fetcherOf>, part: BlockPart) => {
    for await (const bytes of fetchBlocks([cid], { part })) return Buffer.from(bytes)
    return undefined
  }
  const giving: Answering = (_, part) => send([block.subarray(part!.offset, part!.offset + part!.length)])

  it('comes alone, from the next provider where one lies or does not give it', async () => {
    const part = await partOf()
    const wrong: Answering = (cids, wanted) => giving(cids, { ...wanted!, offset: wanted!.offset + 1 })
    const providers = [await openProvider(0, wrong), await openProvider(1, honest), await openProvider(2, giving)]
    const expected = Buffer.from(block.subarray(part.offset, part.offset + part.length))
    expect([part.offset, part.length % LEAF_PART_SIZE_BYTES]).toEqual([0, 0])
    expect(await fetchPart(fetcherOf(...providers), part)).toEqual(expected)
    expect(failures.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/another part/),
      expect.stringMatching(/other blocks/)
    ])
  })

  it('is missing where nobody gives it', async () => {
    const one = await openProvider(0, () => send([new Uint8Array(81_920)]))
    await expect(fetchPart(fetcherOf(one), await partOf())).rejects.toMatchObject({ code: 'BLOCK_MISSING' })
  })
})

it('asks nobody for nothing', async () => {
  const one = await openProvider(0, honest)
  expect(await fetchAll(fetcherOf(one), [])).toEqual([])
  expect(one.asked).toEqual([])
})

describe.each<[string, Answering, RegExp, number]>([
  [
    'sends bytes that are not the block',
    cids => send(cids.map((cid, i) => (i === 2 ? blockOf(cid).map(byte => byte ^ 1) : blockOf(cid)))),
    /not bafk/,
    2
  ],
  [
    'is cut in the middle of a block',
    cids => ({
      ok: true,
      value: {
        header: { sizesBytes: cids.map(cid => blockOf(cid).length) },
        chunks: cutAfter(ALL.slice(0, 2), ALL[2]!.subarray(0, 100))
      }
    }),
    /INTERNAL|cut/,
    1
  ],
  [
    'ends early',
    cids =>
      send(
        ALL.slice(0, 3),
        cids.map(cid => blockOf(cid).length)
      ),
    /3 of 5 blocks/,
    3
  ],
  ['answers for fewer blocks', cids => send(cids.slice(1).map(blockOf)), /other blocks/, 0],
  [
    'promises a block that is too large',
    cids =>
      send(
        cids.map(blockOf),
        cids.map(() => 2 ** 40)
      ),
    /other blocks/,
    0
  ],
  [
    'sends other sizes',
    cids =>
      send(
        cids.map(blockOf),
        cids.map(cid => blockOf(cid).length + 1)
      ),
    /not bafk/,
    0
  ],
  ['refuses', () => refuse('BLOCK_MISSING', 'not here'), /not here \(BLOCK_MISSING\)/, 0]
])('a provider that %s', (what, answer, reason, good) => {
  it('is left for the next, without a wrong or a second block', async () => {
    const [bad, next] = [await openProvider(0, answer), await openProvider(1, honest)]
    const fetchBlocks = fetcherOf(bad, next)
    expect(await fetchAll(fetchBlocks)).toEqual(EVERY)
    expect(failures).toEqual([{ provider: bad.provider, reason: expect.stringMatching(reason) }])
    expect(next.asked.map(cids => cids.map(String))).toEqual([CIDS.slice(good).map(String)])
    // Its turn comes last from now on.
    expect(await fetchAll(fetchBlocks)).toEqual(EVERY)
    expect(bad.asked).toHaveLength(1)
    // Two of them end their transfers as they should, whatever they sent.
    await expectStreams(/ends early|not the block/.test(what) ? 2 : 1)
  })
})

async function* cutAfter(blocks: readonly Uint8Array[], part: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* blocks
  yield part
  throw new Error('the disk is gone')
}

it('says which block nobody gave, and who was asked', async () => {
  const answer: Answering = cids =>
    cids[0]!.equals(CIDS[0])
      ? send(
          [ALL[0]!],
          cids.map(cid => blockOf(cid).length)
        )
      : refuse('BLOCK_MISSING', 'gone')
  const [one, two] = [await openProvider(0, answer), await openProvider(1, answer)]
  const found: number[] = []
  const fetching = async () => {
    for await (const block of fetcherOf(one, two)(CIDS, {})) found.push(placeOf(block))
  }
  await expect(fetching()).rejects.toMatchObject({
    code: 'BLOCK_MISSING',
    details: { cid: CIDS[1]!.toString(), providers: [one.provider, two.provider] }
  })
  expect(found).toEqual([0])
  await expectStreams(1)
})

it('fetches that run side by side leave only the provider that failed', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  // biome-ignore lint/correctness/useYield: fails before it has anything to yield
  async function* failingTogether(): AsyncGenerator<Uint8Array> {
    arrived += 1
    if (arrived === 2) gate.resolve()
    await gate.promise
    throw new Error('the disk is gone')
  }
  const bad = await openProvider(0, cids => ({
    ok: true,
    value: { header: { sizesBytes: cids.map(cid => blockOf(cid).length) }, chunks: failingTogether() }
  }))
  const [good, never] = [await openProvider(1, honest), await openProvider(2, honest)]
  const fetchBlocks = fetcherOf(bad, good, never)
  expect(await Promise.all([fetchAll(fetchBlocks), fetchAll(fetchBlocks)])).toEqual([EVERY, EVERY])
  expect(failures.map(({ provider }) => provider)).toEqual([bad.provider, bad.provider])
  expect(good.asked).toHaveLength(2)
  expect(never.asked).toEqual([])
})

it('obeys its signal, and a reader who leaves, and leaves no stream behind', async () => {
  const waiting = Promise.withResolvers<void>()
  life.defer(() => waiting.resolve())
  async function* slowly(): AsyncGenerator<Uint8Array> {
    yield ALL[0]!
    await waiting.promise
  }
  const slow = await openProvider(0, cids => ({
    ok: true,
    value: { header: { sizesBytes: cids.map(cid => blockOf(cid).length) }, chunks: slowly() }
  }))
  const next = await openProvider(1, honest)
  const leaving = new AbortController()
  const fetching = async () => {
    for await (const _ of fetcherOf(slow, next)(CIDS, { signal: leaving.signal })) leaving.abort(new Error('enough'))
  }
  await expect(fetching()).rejects.toThrow('enough')
  await expect(fetching()).rejects.toThrow('enough')
  for await (const _ of fetcherOf(slow, next)(CIDS, {})) break
  await expectStreams(0)
  expect(next.asked).toEqual([])
  expect(failures).toEqual([])
})

/** The first block is taken for the root of a file, and the others for what a range of it needs. */
function sendAhead(places: readonly number[], blocks = places.map(place => ALL[place]!)): Answering {
  return () => {
    const all = [...blocks.toReversed(), ALL[0]!]
    const { value } = send(all)
    return { ok: true, value: { ...value, header: { ...value.header, ahead: places.map(place => CIDS[place]!) } } }
  }
}

describe('what a provider sends along with a root', () => {
  const range = { offset: 10, length: 5 }
  const fetchFirst = async (fetchBlocks: ReturnType<typeof fetcherOf>) => {
    for await (const block of fetchBlocks([CIDS[0]!], { range })) return placeOf(block)
    return undefined
  }

  it('is not asked for again, and is given once', async () => {
    const one = await openProvider(0, cids => (cids[0]!.equals(CIDS[0]) ? sendAhead([3, 1])(cids) : honest(cids)))
    const fetchBlocks = fetcherOf(one)
    expect(await fetchFirst(fetchBlocks)).toBe(0)
    expect(await fetchAll(fetchBlocks, [CIDS[3]!, CIDS[1]!])).toEqual([3, 1])
    expect(one.asked).toHaveLength(1)
    // Who asks in the same breath opens another stream: the end of the first is still to be read.
    await new Promise(resolve => setTimeout(resolve, 20))
    expect(await fetchAll(fetchBlocks, [CIDS[3]!, CIDS[2]!])).toEqual([3, 2])
    expect(one.asked).toHaveLength(2)
    await expectStreams(1)
  })

  it.each<[string, Answering, RegExp]>([
    ['is checked like everything else', sendAhead([3, 1], [ALL[3]!, ALL[2]!.subarray(0, 1)]), /not bafk/],
    ['is bounded', sendAhead([0, 0, 0, 1], [ALL[0]!, ALL[0]!, ALL[0]!, ALL[1]!]), /other blocks/]
  ])('%s', async (_, answer, reason) => {
    const [bad, next] = [await openProvider(0, answer), await openProvider(1, honest)]
    expect(await fetchFirst(fetcherOf(bad, next))).toBe(0)
    expect(failures).toEqual([{ provider: bad.provider, reason: expect.stringMatching(reason) }])
    await expectStreams(1)
  })

  it('is not taken from who was not told of a range', async () => {
    const [bad, next] = [await openProvider(0, sendAhead([3])), await openProvider(1, honest)]
    expect(await fetchAll(fetcherOf(bad, next), [CIDS[0]!])).toEqual([0])
    expect(failures).toEqual([{ provider: bad.provider, reason: expect.stringMatching(/other blocks/) }])
  })
})

it('a range goes on at another provider when the fastest dies in the middle of it', async () => {
  const LEAF = 256 * 1024
  const bytes = Uint8Array.from({ length: 10 * LEAF + 77 }, (_, i) => (i * 13 + (i >> 18)) & 255)
  const { packed, pieces } = await packTree([file('', bytes)], { profile: 'unixfs-v0-2015' })
  const blocks = pieces.blocks()
  const blocksOf = (cids: readonly CID[]) => cids.map(cid => blocks.get(cid.toString())!)
  const dying = await openProvider(0, cids => {
    const all = blocksOf(cids)
    if (all.length === 1) return send(all)
    const sizesBytes = all.map(({ length }) => length)
    return {
      ok: true,
      value: { header: { sizesBytes }, chunks: cutAfter(all.slice(0, 6), all[6]!.subarray(0, 100_000)) }
    }
  })
  const next = await openProvider(1, cids => send(blocksOf(cids)))
  const measurements = createMeasurements()
  measurements.record(dying.provider, { kind: 'download', bytes: 2 ** 30, ms: 1000 })
  measurements.record(next.provider, { kind: 'download', bytes: 2 ** 20, ms: 1000 })
  const fetchBlocks = createBlockFetcher({
    node: client,
    networkId: NETWORK_ID,
    providers: [next, dying],
    measurements,
    onFailure: failure => failures.push(failure)
  })
  const range = { offset: LEAF + 5, length: 8 * LEAF }
  const read: Uint8Array[] = []
  for await (const chunk of readBytes({ root: packed.root, fetchBlocks, ...range })) read.push(chunk)
  expect(Buffer.concat(read).equals(bytes.subarray(range.offset, range.offset + range.length))).toBe(true)
  expect(failures).toEqual([expect.objectContaining({ provider: dying.provider })])
  // Of nine leaves three had come, in the one chunk that was full.
  expect(next.asked.map(cids => cids.length)).toEqual([6])
})

describe('over HTTP', () => {
  const [cid, block] = [CIDS[0]!, ALL[0]!]
  const GATEWAY = '/ip4/127.0.0.1/tcp/1/http'

  function openSource(answer: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>, mayDial = true) {
    const asked: Pick<HttpRequest, 'origin' | 'peer' | 'target' | 'range'>[] = []
    const source: HttpSource = {
      mayDial: () => mayDial,
      async request(request) {
        const { origin, peer, target, range } = request
        asked.push({ origin, peer, target, range })
        request.onAnswer()
        return answer(request)
      }
    }
    return { ...source, asked }
  }

  /** A clock that goes on by the same time whenever it is looked at. */
  function steadily(stepMs: number) {
    let nowMs = 0
    return () => (nowMs += stepMs)
  }

  async function giving(bytes: Uint8Array) {
    const { digest } = await sha256.digest(bytes)
    return ({ allocate, range: { offset, length } = { offset: 0, length: bytes.length } }: HttpRequest) => {
      const sent = allocate(length)
      sent.set(bytes.subarray(offset, offset + length))
      return { ok: true, bytes: sent, sha256: digest } as const
    }
  }

  async function openGateway(index = 0) {
    const provider = await openProvider(index, honest)
    return { ...provider, addresses: [...provider.addresses, GATEWAY] }
  }

  /** One that can only be asked over libp2p: its addresses do not say who it is. */
  async function openNameless(index: number) {
    const provider = await openProvider(index, honest)
    return { ...provider, addresses: provider.addresses.map(address => address.replace(/\/p2p\/.*/, '')) }
  }

  it('asks the gateway for what is one block, and libp2p for what is several', async () => {
    const provider = await openGateway()
    const http = openSource(await giving(block))
    const fetchBlocks = fetcherOver(http, provider)
    expect(await fetchAll(fetchBlocks, [cid])).toEqual([0])
    expect(provider.asked).toEqual([])
    expect(http.asked).toEqual([{ origin: 'http://127.0.0.1:1', target: `/ipfs/${cid}?format=raw` }])
    expect(await fetchAll(fetchBlocks)).toEqual(EVERY)
    expect(http.asked).toHaveLength(1)
    expect(failures).toEqual([])
  })

  it('asks for the part of a block that is wanted', async () => {
    const known = createLeafParts()
    await known.learn(cid, block)
    const part = known.around(cid, block.length, 40_000, 40_001)!
    const http = openSource(await giving(block))
    const parts: Uint8Array[] = []
    for await (const bytes of fetcherOver(http, await openGateway())([cid], { part })) parts.push(bytes)
    expect(parts).toEqual([block.subarray(part.offset, part.offset + part.length)])
    expect(http.asked[0]).toMatchObject({ range: { offset: LEAF_PART_SIZE_BYTES, length: LEAF_PART_SIZE_BYTES } })
  })

  it('measures the provider also where the reader takes its one block and leaves', async () => {
    const measurements = createMeasurements()
    const providers = [await openGateway()]
    const http = openSource(await giving(block))
    const now = steadily(10)
    const fetchBlocks = createBlockFetcher({
      node: client,
      networkId: NETWORK_ID,
      providers,
      http,
      allowsPlainHttp: true,
      measurements,
      now
    })
    for await (const bytes of fetchBlocks([cid], {})) {
      expect(bytes).toEqual(block)
      break
    }
    expect(measurements.of(providers[0]!.provider)).toMatchObject({ latencyMs: 10 })
  })

  describe('has the beginning of a part before the rest has come', () => {
    const [cid, block] = [CIDS[4]!, ALL[4]!]
    /** Of three pieces. */
    async function partOf() {
      const known = createLeafParts()
      await known.learn(cid, block)
      return known.around(cid, block.length, 0, 70_000)!
    }
    /** Sends the first piece and some of the next, and the rest when it is told how. */
    async function openHalting() {
      const part = await partOf()
      const goOn = Promise.withResolvers<'right' | 'wrong' | 'gone'>()
      const http = openSource(async ({ allocate, onBytes }) => {
        const bytes = allocate(part.length)
        bytes.set(block.subarray(0, 40_000))
        for (const filled of [1, 30_000, LEAF_PART_SIZE_BYTES, 40_000]) onBytes(bytes, filled)
        const how = await goOn.promise
        if (how === 'gone') return { ok: false, reason: 'hung up', isSilent: false }
        bytes.set(block.subarray(40_000, part.length), 40_000)
        if (how === 'wrong') bytes[part.length - 1]! ^= 1
        onBytes(bytes, part.length)
        return { ok: true, bytes, sha256: undefined }
      })
      return { part, http, goOn: goOn.resolve }
    }

    it('and then the rest', async () => {
      const { part, http, goOn } = await openHalting()
      const provider = await openGateway()
      const pieces = fetcherOver(http, provider)([cid], { part })[Symbol.asyncIterator]()
      expect((await pieces.next()).value).toEqual(block.subarray(0, LEAF_PART_SIZE_BYTES))
      goOn('right')
      expect((await pieces.next()).value).toEqual(block.subarray(LEAF_PART_SIZE_BYTES, part.length))
      expect((await pieces.next()).done).toBe(true)
      expect([http.asked.length, provider.asked, failures]).toEqual([1, [], []])
    })

    it.each([
      ['is wrong', 'wrong', /another part/],
      ['does not come', 'gone', /hung up/]
    ] as const)('and what is left from the next provider where the rest %s', async (_, how, reason) => {
      const { part, http, goOn } = await openHalting()
      const parts: (Range | undefined)[] = []
      const other = await openProvider(1, (_cids, wanted) => {
        parts.push(wanted)
        return send([block.subarray(wanted!.offset, wanted!.offset + wanted!.length)])
      })
      const nameless = { ...other, addresses: other.addresses.map(address => address.replace(/\/p2p\/.*/, '')) }
      const fetchBlocks = fetcherOver(http, await openGateway(0), nameless)
      const pieces: Uint8Array[] = []
      for await (const piece of fetchBlocks([cid], { part })) {
        pieces.push(piece)
        goOn(how)
      }
      expect(pieces).toEqual([
        block.subarray(0, LEAF_PART_SIZE_BYTES),
        block.subarray(LEAF_PART_SIZE_BYTES, part.length)
      ])
      expect(parts).toEqual([{ offset: LEAF_PART_SIZE_BYTES, length: part.length - LEAF_PART_SIZE_BYTES }])
      expect(failures).toMatchObject([{ reason: expect.stringMatching(reason) }])
    })

    it('and no rest where its reader leaves', async () => {
      const { part, http, goOn } = await openHalting()
      for await (const piece of fetcherOver(http, await openGateway())([cid], { part })) {
        expect(piece.length).toBe(LEAF_PART_SIZE_BYTES)
        break
      }
      goOn('gone')
      expect(failures).toEqual([])
    })
  })

  it('asks over libp2p where the gateway gives no answer, and then not the gateway again', async () => {
    const provider = await openGateway()
    const http = openSource(() => ({ ok: false, reason: 'nobody is there', isSilent: false }))
    const fetchBlocks = fetcherOver(http, provider)
    expect(await fetchAll(fetchBlocks, [cid])).toEqual([0])
    expect(await fetchAll(fetchBlocks, [cid])).toEqual([0])
    expect(http.asked).toHaveLength(1)
    expect(provider.asked).toHaveLength(2)
    expect(failures).toEqual([])
  })

  it.each([
    ['another block', ALL[4]!],
    ['the block with a byte more', Uint8Array.from(Buffer.concat([block, Uint8Array.of(0)]))]
  ])('leaves a provider that sends %s', async (_, bytes) => {
    const [liar, other] = [await openGateway(0), await openNameless(1)]
    const http = openSource(await giving(bytes))
    expect(await fetchAll(fetcherOver(http, liar, other), [cid])).toEqual([0])
    expect(failures).toMatchObject([{ provider: liar.provider, reason: expect.stringContaining(`not ${cid}`) }])
    expect(liar.asked).toEqual([])
    expect(other.asked).toHaveLength(1)
  })

  it('asks a provider at its own port, as whom it must show itself, where nothing may go unencrypted', async () => {
    const provider = await openGateway()
    const http = openSource(await giving(block))
    const fetchBlocks = createBlockFetcher({ node: client, networkId: NETWORK_ID, providers: [provider], http })
    expect(await fetchAll(fetchBlocks, [cid])).toEqual([0])
    const [, port, peer] = /\/tcp\/(\d+)\/p2p\/(\w+)$/.exec(provider.addresses[0]!)!
    expect(http.asked).toMatchObject([{ origin: `https://127.0.0.1:${port}`, peer }])
    expect(provider.asked).toEqual([])
  })

  it.each([
    ['leaves a provider that is silent at its own port', false, 0],
    ['asks over libp2p where it is the gateway that is silent', true, 1]
  ])('%s', async (_, allowsPlainHttp, times) => {
    const [silent, other] = [await openGateway(0), await openNameless(1)]
    const http = openSource(({ peer }) => ({ ok: false, reason: `${peer} is silent`, isSilent: true }))
    const providers = [silent, other]
    const fetchBlocks = createBlockFetcher({ node: client, networkId: NETWORK_ID, providers, http, allowsPlainHttp })
    expect(await fetchAll(fetchBlocks, [cid])).toEqual([0])
    expect(http.asked).toHaveLength(1)
    expect(silent.asked).toHaveLength(times)
    expect(other.asked).toHaveLength(1 - times)
  })

  it('asks no gateway that this peer would not dial', async () => {
    const provider = await openGateway()
    const http = openSource(() => ({ ok: false, reason: 'asked all the same', isSilent: false }), false)
    expect(await fetchAll(fetcherOver(http, provider), [cid])).toEqual([0])
    expect(http.asked).toEqual([])
  })
})
