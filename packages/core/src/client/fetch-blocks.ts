/**
 * Fetches public blocks from the providers of an object: the first that answers well, and the next one when it does not.
 *
 * The caller checks every block against its CID. A provider that failed once goes to the end of the line.
 */
import type { Libp2p } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { BLOCK_SIZE_BYTES_MAX, checkBlock, type FetchBlocks } from '../content/index.ts'
import { CoreError } from '../error.ts'
import { readBlocks } from '../protocols/definitions.ts'
import { download } from '../protocols/download.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import type { Address } from '../schema.ts'

export interface BlockProvider {
  readonly provider: Address
  readonly addresses: readonly string[]
}

export interface FetchOptions {
  readonly node: Pick<Libp2p, 'dialProtocol'>
  readonly networkId: Uint8Array
  readonly providers: readonly BlockProvider[]
  /** Told whenever a provider is left for the next one, and why. */
  readonly onFailure?: (failure: { readonly provider: Address; readonly reason: string }) => void
}

/** @returns a source of blocks that are already checked against their CIDs */
export function createBlockFetcher({
  node,
  networkId,
  providers,
  onFailure = () => undefined
}: FetchOptions): FetchBlocks {
  const line = [...providers]

  async function* fetchFrom(
    { addresses }: BlockProvider,
    cids: readonly CID[],
    signal: AbortSignal | undefined
  ): AsyncGenerator<Uint8Array> {
    const peer = parsePeerAddresses(addresses)
    const answer = await download(
      node,
      peer,
      readBlocks,
      { cids: [...cids] },
      { networkId, ...(signal !== undefined && { signal }) }
    )
    if (answer.kind !== 'answer')
      throw failed(answer.kind === 'refused' ? `${answer.message} (${answer.code})` : answer.reason)
    const { header, chunks } = answer.value
    const { sizesBytes } = header
    if (sizesBytes.length !== cids.length || sizesBytes.some(size => size > BLOCK_SIZE_BYTES_MAX)) {
      await chunks.return?.()
      throw failed('answered for other blocks')
    }
    let next = 0
    for await (const block of cutBlocks(chunks, sizesBytes)) {
      const cid = cids[next++]!
      const verdict = await checkBlock(cid, block)
      if (!verdict.ok) throw failed(`sent bytes that are not ${cid} (${verdict.reason})`)
      yield block
    }
    if (next < cids.length) throw failed(`sent ${next} of ${cids.length} blocks`)
  }

  return async function* fetchBlocks(cids, { signal }) {
    let remaining = cids
    /** Those that failed since the last block came; of this call alone, because others fail beside it. */
    const failedNow = new Set<BlockProvider>()
    while (remaining.length > 0) {
      const provider = line.find(one => !failedNow.has(one))
      if (provider === undefined) break
      try {
        for await (const block of fetchFrom(provider, remaining, signal)) {
          remaining = remaining.slice(1)
          failedNow.clear()
          yield block
        }
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof CoreError)) throw error
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
}

/** Cuts a stream of chunks into blocks of known sizes; a block that ends early is left out. */
async function* cutBlocks(
  chunks: AsyncIterable<Uint8Array>,
  sizesBytes: readonly number[]
): AsyncGenerator<Uint8Array> {
  let index = 0
  let block = new Uint8Array(sizesBytes[0] ?? 0)
  let filled = 0
  function* completed(): Generator<Uint8Array> {
    while (index < sizesBytes.length && filled === block.length) {
      yield block
      index += 1
      block = new Uint8Array(sizesBytes[index] ?? 0)
      filled = 0
    }
  }
  yield* completed()
  for await (const chunk of chunks) {
    let offset = 0
    while (offset < chunk.length && index < sizesBytes.length) {
      const taken = chunk.subarray(offset, offset + block.length - filled)
      block.set(taken, filled)
      filled += taken.length
      offset += taken.length
      yield* completed()
    }
  }
}

function failed(reason: string): CoreError<'PROVIDER_FAILED'> {
  return new CoreError('PROVIDER_FAILED', reason)
}
