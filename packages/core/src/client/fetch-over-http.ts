/**
 * One public block, or a part of it, from a provider that is a gateway: where all that is wanted is one block, a request
 * of HTTP is answered before libp2p has said who is there.
 */
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { BLOCK_SIZE_BYTES_MAX, type BlockPart, checkBlock } from '../content/index.ts'
import { equalBytes } from '../equal-bytes.ts'
import { borrowMemory, giveBack } from '../protocols/spare-chunks.ts'
import { httpOriginOf } from './http-origin.ts'

export interface HttpRequest {
  /** scheme, host and port */
  readonly origin: string
  /** path and query */
  readonly target: string
  /** Bytes of it that are wanted; all when left out. */
  readonly range?: { readonly offset: number; readonly length: number }
  /** An answer that says it is longer is not read. */
  readonly sizeBytesMax: number
  /** For the answer to begin, and then for all of it. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Memory for the bytes that come, of just that length. */
  readonly allocate: (sizeBytes: number) => Uint8Array
  /** Told when the answer begins. */
  readonly onAnswer: () => void
}

export type HttpAnswer =
  /** The digest is of all the bytes, taken as they came. */
  | { readonly ok: true; readonly bytes: Uint8Array; readonly sha256: Uint8Array }
  | { readonly ok: false; readonly reason: string }

/** Asks web servers; a server that fails, stalls or says too much is a value. @throws the signal's reason */
export interface HttpSource {
  request(request: HttpRequest): Promise<HttpAnswer>
  /** Whether this peer dials such an address. */
  mayDial(address: string): boolean
}

export type BlockOverHttp =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** Bytes that are not what they should be are `wrong`; otherwise there was no answer to be had this way. */
  | { readonly ok: false; readonly isWrong: boolean; readonly reason: string }

export interface OverHttpOptions {
  readonly part?: BlockPart | undefined
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly onAnswer: () => void
}

/** @returns the origin of the first address that is a web server's and may be dialled; undefined when none is */
export function gatewayAmong(addresses: readonly string[], source: Pick<HttpSource, 'mayDial'>): string | undefined {
  for (const address of addresses) {
    const origin = httpOriginOf(address)
    if (origin !== undefined && source.mayDial(address)) return origin
  }
  return undefined
}

/** @returns bytes that are right, or why there are none; memory of whole chunks can be given back (`spare-chunks.ts`) */
export async function fetchOverHttp(
  source: Pick<HttpSource, 'request'>,
  origin: string,
  cid: CID,
  { part, ...options }: OverHttpOptions
): Promise<BlockOverHttp> {
  const answer = await source.request({
    ...options,
    origin,
    target: `/ipfs/${cid}?format=raw`,
    ...(part !== undefined && { range: { offset: part.offset, length: part.length } }),
    sizeBytesMax: part?.length ?? BLOCK_SIZE_BYTES_MAX,
    allocate: borrowMemory
  })
  if (!answer.ok) return { ...answer, isWrong: false }
  const { bytes } = answer
  const fault = part === undefined ? await faultOf(cid, bytes, answer.sha256) : await faultOfPart(part, bytes)
  if (fault === undefined) return { ok: true, bytes }
  giveBack(bytes)
  return { ok: false, isWrong: true, reason: `sent bytes that are not ${cid} (${fault})` }
}

async function faultOf(cid: CID, bytes: Uint8Array, digest: Uint8Array): Promise<string | undefined> {
  const { code, digest: expected } = cid.multihash
  // What was hashed as it came is not hashed again; everything else about a block is `checkBlock`'s.
  if (cid.code === raw.code && code === sha256.code && equalBytes(digest, expected)) return undefined
  const verdict = await checkBlock(cid, bytes)
  return verdict.ok ? undefined : verdict.reason
}

async function faultOfPart(part: BlockPart, bytes: Uint8Array): Promise<string | undefined> {
  return (await part.isRight(bytes)) ? undefined : 'another part'
}
