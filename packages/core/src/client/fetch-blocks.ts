/**
 * Fetches public blocks from the providers of an object: from the fastest that this client has measured, and from the
 * next one when it does not answer, stalls or lies.
 *
 * Every block is checked against its CID before it is handed on, so that a change of provider in mid-stream shows in no
 * byte. A provider that failed once goes to the end of the line.
 */
import type { Libp2p } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { machineClock } from '../clock.ts'
import {
  BLOCK_SIZE_BYTES_MAX,
  type BlockPart,
  checkBlock,
  type FetchBlocks,
  type FileRange,
  type LeafParts
} from '../content/index.ts'
import { CoreError } from '../error.ts'
import { BLOCKS_AHEAD_SIZE_BYTES_MAX, BLOCKS_PER_REQUEST_MAX, readBlocks } from '../protocols/definitions.ts'
import { download } from '../protocols/download.ts'
import { CHUNK_SIZE_BYTES_MAX } from '../protocols/limits.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import { giveBack } from '../protocols/spare-chunks.ts'
import type { Address } from '../schema.ts'
import { fetchOverHttp, type HttpSource, webServerAmong } from './fetch-over-http.ts'
import { createMeasurements, type Measurements } from './measurements.ts'
import { openStopwatch } from './stopwatch.ts'
import { impatient, type Patience } from './transfer-terms.ts'

type FetchBlocksOptions = Parameters<FetchBlocks>[1]

export interface BlockProvider {
  readonly provider: Address
  readonly addresses: readonly string[]
}

export interface FetchOptions {
  readonly node: Pick<Libp2p, 'dialProtocol'>
  readonly networkId: Uint8Array
  /** In the order in which they are asked while nothing is measured. */
  readonly providers: readonly BlockProvider[]
  readonly measurements?: Measurements
  readonly patience?: Patience
  /** Default the machine's. */
  readonly now?: () => number
  /** What this client knows of leaves that it has read; nothing when left out. */
  readonly leafParts?: LeafParts | undefined
  /** For single blocks; libp2p alone when left out. */
  readonly http?: HttpSource | undefined
  /** Whether blocks may come from gateways without encryption. */
  readonly allowsPlainHttp?: boolean | undefined
  /** Told whenever a provider is left for the next one, and why. */
  readonly onFailure?: (failure: { readonly provider: Address; readonly reason: string }) => void
}

/** @returns a source of blocks that are already checked against their CIDs */
export function createBlockFetcher({
  node,
  networkId,
  providers,
  measurements = createMeasurements(),
  patience = {},
  now = machineClock.now,
  leafParts,
  http,
  allowsPlainHttp = false,
  onFailure = () => undefined
}: FetchOptions): FetchBlocks {
  const protocol = impatient(readBlocks, patience)
  const ahead: BlocksAhead = new Map()

  /** Who gave no answer over HTTP. */
  const withoutWeb = new Set<Address>()

  /** @returns whether the provider gave it; where not, libp2p is the way to ask */
  async function* fetchByWeb(
    { provider, addresses }: BlockProvider,
    cid: CID,
    { signal, part }: FetchBlocksOptions
  ): AsyncGenerator<Uint8Array, boolean> {
    if (http === undefined || withoutWeb.has(provider)) return false
    const server = webServerAmong(addresses, http, allowsPlainHttp)
    if (server === undefined) return false
    const askedMs = now()
    let answeredMs = askedMs
    let lastMs = askedMs
    let rightBytes: number | undefined
    const { timeoutMs, idleTimeoutMs: wholeTimeoutMs } = protocol
    try {
      const answer = yield* fetchOverHttp(http, server, cid, {
        part,
        timeoutMs,
        wholeTimeoutMs,
        signal,
        onAnswer() {
          answeredMs = now()
        },
        onBytes() {
          lastMs = now()
        },
        onRight(sizeBytes) {
          rightBytes = sizeBytes
        }
      })
      if (answer.ok) return true
      if (answer.isFailure) throw failed(answer.reason)
    } finally {
      // Also of who takes its block and asks for nothing else.
      if (rightBytes !== undefined) measurements.record(provider, { kind: 'latency', ms: answeredMs - askedMs })
      if (rightBytes) measurements.record(provider, { kind: 'download', bytes: rightBytes, ms: lastMs - answeredMs })
    }
    withoutWeb.add(provider)
    return false
  }

  async function* fetchFrom(
    asked: BlockProvider,
    cids: readonly CID[],
    options: FetchBlocksOptions
  ): AsyncGenerator<Uint8Array> {
    const { provider, addresses } = asked
    const { signal, range, part } = options
    if (cids.length === 1 && (yield* fetchByWeb(asked, cids[0]!, options))) return
    const isRange = range !== undefined && cids.length === 1
    const peer = parsePeerAddresses(addresses)
    const askedMs = now()
    const answer = await download(
      node,
      peer,
      protocol,
      {
        cids: [...cids],
        ...(isRange && { range: boundsOf(range) }),
        ...(part !== undefined && { part: { offset: part.offset, length: part.length } })
      },
      {
        networkId,
        keepsStreamAfter: ({ sizesBytes }) => sum(sizesBytes),
        reusesChunks: 'when-given-back',
        ...(signal !== undefined && { signal })
      }
    )
    if (answer.kind !== 'answer')
      throw failed(answer.kind === 'refused' ? `${answer.message} (${answer.code})` : answer.reason)
    measurements.record(provider, { kind: 'latency', ms: now() - askedMs })
    const { header, chunks } = answer.value
    const { sizesBytes } = header
    const { ahead: along = [] } = header
    const wanted = [...along.toReversed(), ...cids]
    const aheadBytes = sum(sizesBytes.slice(0, along.length))
    const isAsked =
      sizesBytes.length === wanted.length &&
      sizesBytes.every(size => size <= BLOCK_SIZE_BYTES_MAX) &&
      (isRange || wanted.length === cids.length) &&
      (part === undefined || sizesBytes[0] === part.length) &&
      aheadBytes <= BLOCKS_AHEAD_SIZE_BYTES_MAX
    if (!isAsked) {
      await chunks.return?.()
      throw failed('answered for other blocks')
    }
    // What was not used of the last is not kept beside the next.
    if (isRange) ahead.clear()
    const watch = openStopwatch(now)
    let next = 0
    let bytes = 0
    try {
      for await (const block of cutBlocks(watch.time(chunks), sizesBytes)) {
        const cid = wanted[next++]!
        const fault = await faultOf(cid, block, part)
        if (fault !== undefined) throw failed(`sent bytes that are not ${cid} (${fault})`)
        bytes += block.length
        if (next > along.length) yield block
        else ahead.set(cid.toString(), block)
      }
    } finally {
      if (bytes > 0) measurements.record(provider, { kind: 'download', bytes, ms: watch.elapsedMs })
    }
    if (next < wanted.length) throw failed(`sent ${next} of ${wanted.length} blocks`)
  }

  const fetchBlocks = createFailover({ providers, measurements, onFailure, ahead }, fetchFrom)
  return Object.assign(fetchBlocks, { leafParts, release: giveBackWhole })
}

async function faultOf(cid: CID, bytes: Uint8Array, part: BlockPart | undefined): Promise<string | undefined> {
  if (part !== undefined) return (await part.isRight(bytes)) ? undefined : 'another part'
  const verdict = await checkBlock(cid, bytes)
  return verdict.ok ? undefined : verdict.reason
}

/** Blocks that came before they were asked for, by CID. */
type BlocksAhead = Map<string, Uint8Array>

function boundsOf({ offset = 0, length = Number.MAX_SAFE_INTEGER - offset }: FileRange) {
  return { offset, length }
}

export interface FailoverOptions<Provider extends BlockProvider> {
  readonly providers: readonly Provider[]
  readonly measurements: Measurements
  readonly onFailure: NonNullable<FetchOptions['onFailure']>
  /** What `fetchFrom` has brought along; given once. */
  readonly ahead?: BlocksAhead
}

/**
 * Asks one provider after the other, each for what is still missing.
 *
 * @param fetchFrom - checked blocks of one provider, in the order asked, or a part's beginning and then its rest; throws a
 * `CoreError` when it fails
 */
export function createFailover<Provider extends BlockProvider>(
  { providers, measurements, onFailure, ahead = new Map() }: FailoverOptions<Provider>,
  fetchFrom: (provider: Provider, cids: readonly CID[], options: FetchBlocksOptions) => AsyncGenerator<Uint8Array>
): FetchBlocks {
  const line = rankForReading(providers, measurements)

  async function* fetchBlocks(cids: readonly CID[], options: FetchBlocksOptions) {
    const { signal } = options
    let { part } = options
    let remaining = cids
    /** Those that failed since the last block came; of this call alone, because others fail beside it. */
    const failedNow = new Set<Provider>()
    while (remaining.length > 0) {
      const key = remaining[0]!.toString()
      const brought = part === undefined ? ahead.get(key) : undefined
      if (brought !== undefined) {
        ahead.delete(key)
        remaining = remaining.slice(1)
        yield brought
        continue
      }
      const provider = line.find(one => !failedNow.has(one))
      if (provider === undefined) break
      try {
        const asked = remaining.slice(0, BLOCKS_PER_REQUEST_MAX)
        for await (const bytes of fetchFrom(provider, asked, { ...options, part })) {
          part = part?.after(bytes.length)
          if (part === undefined) remaining = remaining.slice(1)
          failedNow.clear()
          yield bytes
        }
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof CoreError)) throw error
        measurements.record(provider.provider, { kind: 'failure' })
        onFailure({ provider: provider.provider, reason: error.message })
        failedNow.add(provider)
        line.push(...line.splice(line.indexOf(provider), 1))
      }
    }
    if (remaining.length === 0) return
    throw new CoreError(
      'BLOCK_MISSING',
      `none of ${providers.length} providers gave block ${remaining[0]}; try again when one of them is back`,
      {
        cid: String(remaining[0]),
        providers: providers.map(({ provider }) => provider)
      }
    )
  }
  return Object.assign(fetchBlocks, { isChecked: true })
}

/** Memory of a block that was a whole chunk holds nothing else. */
function giveBackWhole(block: Uint8Array): void {
  if (block.length === CHUNK_SIZE_BYTES_MAX) giveBack(block)
}

/** Those that fail come last, the fastest measured first; what is not measured keeps its order behind what is. */
export function rankForReading<Ranked extends { readonly provider: Address }>(
  providers: readonly Ranked[],
  measurements: Pick<Measurements, 'of'>
): Ranked[] {
  const speedOf = ({ provider }: Ranked) => measurements.of(provider).downloadBytesPerSecond ?? 0
  const failsNow = ({ provider }: Ranked) => Number(measurements.of(provider).failures > 0)
  return [...providers].sort((a, b) => failsNow(a) - failsNow(b) || speedOf(b) - speedOf(a))
}

/**
 * Cuts a stream of chunks into blocks of known sizes; a block that ends early is left out. One that is most of a chunk is
 * a view of it, others are copied: a small block must not keep a whole chunk in memory.
 */
async function* cutBlocks(
  chunks: AsyncIterable<Uint8Array>,
  sizesBytes: readonly number[]
): AsyncGenerator<Uint8Array> {
  let index = 0
  /** The next block, as far as chunks before this one held it. */
  let begun: Uint8Array | undefined
  let filled = 0
  function* empty(): Generator<Uint8Array> {
    for (; sizesBytes[index] === 0; index++) yield new Uint8Array()
  }
  yield* empty()
  for await (const chunk of chunks) {
    for (let offset = 0; offset < chunk.length && index < sizesBytes.length; ) {
      const size = sizesBytes[index]!
      const part = chunk.subarray(offset, offset + size - filled)
      offset += part.length
      if (part.length === size) yield 2 * size >= chunk.length ? part : part.slice()
      else {
        begun ??= new Uint8Array(size)
        begun.set(part, filled)
        filled += part.length
        if (filled < size) continue
        yield begun
        begun = undefined
        filled = 0
      }
      index += 1
      yield* empty()
    }
  }
}

function sum(sizesBytes: readonly number[]): number {
  return sizesBytes.reduce((total, size) => total + size, 0)
}

function failed(reason: string): CoreError<'PROVIDER_FAILED'> {
  return new CoreError('PROVIDER_FAILED', reason)
}
