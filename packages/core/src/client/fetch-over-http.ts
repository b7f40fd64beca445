/**
 * One public block, or a part of it, over HTTP: where that is all that is wanted, it is there before libp2p could be asked for it.
 * A provider answers at its own port, under TLS with its own certificate, and, as a gateway, without encryption.
 */
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { BLOCK_SIZE_BYTES_MAX, type BlockPart, checkBlock } from '../content/index.ts'
import { equalBytes } from '../equal-bytes.ts'
import { borrowMemory, giveBack } from '../protocols/spare-chunks.ts'
import { httpOriginOf, peerOriginOf } from './http-origin.ts'

export interface HttpRequest {
  /** scheme, host and port */
  readonly origin: string
  /** Whose certificate the other side must show, as libp2p has them; a name's when left out. */
  readonly peer?: string
  /** path and query */
  readonly target: string
  readonly accept: string
  /** What opens it to who asks, where that is needed; for a peer that has shown itself. */
  readonly authorization?: string | undefined
  /** Bytes of it that are wanted; all when left out. */
  readonly range?: { readonly offset: number; readonly length: number }
  /** An answer that says it is longer is not read. A whole answer is hashed as it comes. */
  readonly sizeBytesMax: number
  /** For the answer to begin. */
  readonly timeoutMs: number
  /** For all of it, once it has begun. */
  readonly wholeTimeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Memory for the bytes that come, of just that length. */
  readonly allocate: (sizeBytes: number) => Uint8Array
  /** Told when the answer begins. */
  readonly onAnswer: () => void
  /** Told whenever more has come: the memory, and how much of it is filled. */
  readonly onBytes: (memory: Uint8Array, filled: number) => void
}

export type HttpAnswer =
  /** With the digest of a whole block, taken as its bytes came. */
  | { readonly ok: true; readonly bytes: Uint8Array; readonly sha256: Uint8Array | undefined }
  /** Silent is who can be reached, or not even that, and says nothing. */
  | { readonly ok: false; readonly reason: string; readonly isSilent: boolean }

/** Asks web servers; a server that fails, stalls or says too much is a value. @throws the signal's reason */
export interface HttpSource {
  request(request: HttpRequest): Promise<HttpAnswer>
  /** Whether this peer dials such an address, of a web server or of a peer. */
  mayDial(address: string): boolean
}

export type BlockOverHttp =
  | { readonly ok: true }
  /**
   * Bytes that are not what they should be are a `failure`, and so are silence where the peer itself listens and an end after what was
   * handed on; otherwise there was no answer to be had this way.
   */
  | { readonly ok: false; readonly isFailure: boolean; readonly reason: string }

export interface OverHttpOptions {
  readonly part?: BlockPart | undefined
  readonly timeoutMs: number
  readonly wholeTimeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly onAnswer: () => void
  /** Told whenever more has come. */
  readonly onBytes: () => void
  /** Told before bytes are handed on: how many are right with them. */
  readonly onRight: (sizeBytes: number) => void
}

/** @returns the first address where there is one that may be dialled: a gateway's first, where it need not be encrypted */
export function webServerAmong(
  addresses: readonly string[],
  source: Pick<HttpSource, 'mayDial'>,
  allowsPlain: boolean
): WebServer | undefined {
  for (const isPlain of allowsPlain ? [true, false] : [false])
    for (const address of addresses) {
      const server = isPlain ? webServerOf(httpOriginOf(address)) : peerOriginOf(address)
      if (server !== undefined && source.mayDial(address)) return server
    }
  return undefined
}

/** A provider's; `peer` is the id whose certificate it shows, where it speaks with its own. */
export type WebServer = Pick<HttpRequest, 'origin' | 'peer'>

function webServerOf(origin: string | undefined): WebServer | undefined {
  return origin === undefined ? undefined : { origin }
}

/**
 * Yields bytes that are right: a block as a whole, of a part its beginning as soon as it is there, and then the rest. Returns whether
 * that was all, or why not.
 *
 * Memory of whole chunks can be given back (`spare-chunks.ts`).
 */
export async function* fetchOverHttp(
  source: Pick<HttpSource, 'request'>,
  server: WebServer,
  cid: CID,
  { part, onBytes, onRight, ...options }: OverHttpOptions
): AsyncGenerator<Uint8Array, BlockOverHttp> {
  const beginning = part?.beginning
  const begun = Promise.withResolvers<Uint8Array | undefined>()
  const asked = source.request({
    ...options,
    ...server,
    target: `/ipfs/${cid}?format=raw`,
    accept: 'application/vnd.ipld.raw',
    ...(part !== undefined && { range: { offset: part.offset, length: part.length } }),
    sizeBytesMax: part?.length ?? BLOCK_SIZE_BYTES_MAX,
    allocate: borrowMemory,
    onBytes(memory, filled) {
      onBytes()
      if (beginning !== undefined && filled >= beginning.length) begun.resolve(memory.subarray(0, beginning.length))
    }
  })
  let left = part
  if (beginning !== undefined && beginning !== part) {
    const isOver = () => begun.resolve(undefined)
    asked.then(isOver, isOver)
    const bytes = await begun.promise
    if (bytes !== undefined && (await beginning.isRight(bytes))) {
      left = part?.after(bytes.length)
      onRight(bytes.length)
      yield bytes
    }
  }
  const answer = await asked
  if (!answer.ok) {
    const isFailure = left !== part || (answer.isSilent && server.peer !== undefined)
    return { ok: false, reason: answer.reason, isFailure }
  }
  const { bytes } = answer
  const bytesLeft = left === undefined ? bytes : bytes.subarray(bytes.length - left.length)
  const fault = left === undefined ? await faultOf(cid, bytes, answer.sha256) : await faultOfPart(left, bytesLeft)
  if (fault === undefined) {
    onRight(bytes.length)
    yield bytesLeft
    return { ok: true }
  }
  // What was handed on is the reader's.
  if (left === part) giveBack(bytes)
  return { ok: false, isFailure: true, reason: `sent bytes that are not ${cid} (${fault})` }
}

async function faultOf(cid: CID, bytes: Uint8Array, digest: Uint8Array | undefined): Promise<string | undefined> {
  const { code, digest: expected } = cid.multihash
  // What was hashed as it came is not hashed again; everything else about a block is `checkBlock`'s.
  const isHashed = digest !== undefined && cid.code === raw.code && code === sha256.code
  if (isHashed && equalBytes(digest, expected)) return undefined
  const verdict = await checkBlock(cid, bytes)
  return verdict.ok ? undefined : verdict.reason
}

async function faultOfPart(part: BlockPart, bytes: Uint8Array): Promise<string | undefined> {
  return (await part.isRight(bytes)) ? undefined : 'another part'
}
