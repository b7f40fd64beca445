/**
 * What a protocol is, and what can come of a request: the vocabulary that the engine, the definitions and their users
 * share. A protocol is data; `request` and `serve` run them all (engine.ts), `upload` and `download` the bulk ones.
 */
import type { z } from 'zod'
import { CoreError } from '../error.ts'
import { CHUNK_SIZE_BYTES_MAX, CHUNKS_IN_FLIGHT_MAX } from './limits.ts'

/** A protocol without its schemas: what the engine needs to know to bound it. */
export interface ProtocolTerms {
  /** `/holdfast/<name>/<version>` */
  readonly id: string
  /** of the encoded message; the envelope comes on top */
  readonly requestSizeBytesMax: number
  /** of the encoded value; the envelope comes on top, and a refusal always fits */
  readonly responseSizeBytesMax: number
  /** for the whole request, dialling included; in bulk protocols for the opening and again for the end */
  readonly timeoutMs: number
  /** on one connection; a peer that opens more gets them reset */
  readonly streamsInboundMax: number
  /** whose pace it shares, see traffic-limiter.ts; `data` when left out */
  readonly traffic?: TrafficClass
  /** how many plain requests one of these costs its server; 1 when left out */
  readonly cost?: number
}

/** Protocols of one class share a pace, so that a peer that is held back in one is not in the others. */
export type TrafficClass = 'ledger' | 'proving' | 'data' | 'membership'

/** Schemas may hold codecs: they decode from the wire to memory, and encode back. */
export interface Protocol<Request, Response> extends ProtocolTerms {
  readonly request: z.ZodType<Request>
  readonly response: z.ZodType<Response>
}

/** How the bytes of a bulk protocol move. */
export interface BulkTerms extends ProtocolTerms {
  readonly chunkSizeBytesMax: number
  /** sent and not yet taken by the other side's disk or consumer */
  readonly chunksInFlightMax: number
  /** how long either side may owe the next chunk or credit */
  readonly idleTimeoutMs: number
}

/**
 * A protocol that moves bytes after its opening message, in chunks against credit.
 *
 * Every chunk but the last is full, so `chunkSizeBytesMax` in `idleTimeoutMs` is also the least rate of a transfer.
 */
export interface BulkProtocol<Request, Response> extends BulkTerms, Protocol<Request, Response> {}

/** The sizes of a bulk protocol that has no reason for others. */
export const BULK_LIMITS = {
  chunkSizeBytesMax: CHUNK_SIZE_BYTES_MAX,
  chunksInFlightMax: CHUNKS_IN_FLIGHT_MAX,
  idleTimeoutMs: 30_000
} as const

/** What the facts of a refusal may be: anything a log line can show. */
export type Detail = string | number | bigint | boolean | null | Uint8Array

/** "No", said by the other side, with a code for programs and a message for people. */
export interface Refusal {
  readonly ok: false
  /** `UPPER_CASE`, at most 64 characters */
  readonly code: string
  /** at most 1024 characters; on the asking side foreign text, to be escaped before a terminal sees it */
  readonly message: string
  readonly details?: Readonly<Record<string, Detail>>
}

/** What a handler returns. */
export type Reply<T> = { readonly ok: true; readonly value: T } | Refusal

export type NoAnswerCode =
  /** no connection, or no stream on it */
  | 'UNREACHABLE'
  /** connected, but the peer does not speak the protocol */
  | 'UNSUPPORTED'
  /** silence until the deadline */
  | 'TIMED_OUT'
  /** the stream ended early: killed, reset, refused by its limits */
  | 'CUT'
  /** something came that is no answer: oversized, malformed, of another network or version */
  | 'INVALID'

export interface NoAnswer {
  readonly kind: 'no-answer'
  readonly code: NoAnswerCode
  readonly reason: string
}

/**
 * What came of a request. A refusal is the peer's own word, "no answer" is its silence or nonsense; the two are never
 * mixed, because one may be held against somebody and the other may not.
 */
export type Answer<T> =
  | { readonly kind: 'answer'; readonly value: T }
  | {
      readonly kind: 'refused'
      readonly code: string
      readonly message: string
      readonly details: Readonly<Record<string, Detail>>
    }
  | NoAnswer

/** Names a refusal in one call, so that handlers read `return refuse('NO_SPACE', '…')`. */
export function refuse(code: string, message: string, details?: Readonly<Record<string, Detail>>): Refusal {
  return details === undefined ? { ok: false, code, message } : { ok: false, code, message, details }
}

/** What the source of a download throws to end the transfer with a refusal, instead of `INTERNAL`. */
export function refuseMidway({ code, message, details = {} }: Refusal): CoreError<'TRANSFER_REFUSED'> {
  const error = new CoreError('TRANSFER_REFUSED', `refused midway: ${code}: ${message}`, { code, message, details })
  midway.set(error, { ok: false, code, message, details })
  return error
}

const midway = new WeakMap<Error, Refusal>()

/** @returns the refusal inside what `refuseMidway` made; undefined for any other error */
export function refusalInside(error: unknown): Refusal | undefined {
  return error instanceof Error ? midway.get(error) : undefined
}
