/**
 * What stands around every message: a version, the network, and in answers the difference between "yes" and "no".
 *
 *     request  { v: 1, network: bytes32, head?: bytes, body: message }
 *     answer   { v: 1, network: bytes32, head?: bytes, body: { ok: true, value } | { ok: false, code, message, details? } }
 *
 * `head` is the newest log head that the sender knows, so that two histories of one host meet wherever peers talk. What
 * it is worth is for whoever watches heads to say; a message counts the same whatever came with it.
 *
 * dag-cbor both ways. Unknown keys are skipped. Encoding checks our own values and throws; decoding foreign bytes never
 * does.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { z } from 'zod'
import { equalBytes } from '../equal-bytes.ts'
import { HEAD_SIZE_BYTES_MAX } from '../ledger/log-head.ts'
import { bytesOfLength } from '../schema.ts'
import {
  ENVELOPE_SIZE_BYTES_MAX,
  REFUSAL_CODE_LENGTH_MAX,
  REFUSAL_MESSAGE_LENGTH_MAX,
  REFUSAL_SIZE_BYTES_MAX
} from './limits.ts'
import type { Answer, NoAnswer, NoAnswerCode, Protocol, ProtocolTerms, Reply } from './protocol.ts'
import { refuse } from './protocol.ts'

export const ENVELOPE_VERSION = 1

/** Refusals that a peer may give from outside our network or version. */
const FOREIGN_CODES: readonly string[] = ['WRONG_NETWORK', 'WRONG_VERSION']

/** Where the heads that leave and come with messages belong: head-watch.ts, or whatever else keeps them. */
export interface HeadExchange {
  /** encoded, the newest that this peer knows; a peer that knows none sends none */
  latest(): Uint8Array | undefined
  /** Told of bytes that came from a stranger, at most `HEAD_SIZE_BYTES_MAX`. Must not throw, and not take long. */
  saw(head: Uint8Array): void
}

/** What stands on an envelope. */
export interface EnvelopeTerms {
  /** 32 bytes; see network.ts */
  readonly networkId: Uint8Array
  /** without it no heads are sent, and those that come are skipped */
  readonly heads?: HeadExchange
}

const envelopeSchema = z.object({ network: bytesOfLength(32), head: z.unknown().optional(), body: z.unknown() })

const detailSchema = z.union([
  z.string(),
  z.number(),
  z.bigint(),
  z.boolean(),
  z.null(),
  z.custom<Uint8Array>(value => value instanceof Uint8Array)
])

const replySchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown() }),
  z.object({
    ok: z.literal(false),
    code: z
      .string()
      .max(REFUSAL_CODE_LENGTH_MAX)
      .regex(/^[A-Z][A-Z0-9_]*$/),
    message: z.string().max(REFUSAL_MESSAGE_LENGTH_MAX),
    details: z.record(z.string(), detailSchema).optional()
  })
])

/** How large the frame of a request may be. */
export function requestFrameSizeBytesMax(protocol: ProtocolTerms): number {
  return protocol.requestSizeBytesMax + ENVELOPE_SIZE_BYTES_MAX
}

/** How large the frame of an answer may be. */
export function answerFrameSizeBytesMax(protocol: ProtocolTerms): number {
  return Math.max(protocol.responseSizeBytesMax, REFUSAL_SIZE_BYTES_MAX) + ENVELOPE_SIZE_BYTES_MAX
}

/**
 * @throws {TypeError} when the message is not what the protocol's schema says
 * @throws {RangeError} when it is larger than the protocol allows
 */
export function encodeRequest<Request>(
  protocol: ProtocolTerms & Pick<Protocol<Request, unknown>, 'request'>,
  terms: EnvelopeTerms,
  message: Request
): Uint8Array {
  const body = encodeValue(protocol.request, message, `a request of ${protocol.id}`)
  return encodeEnvelope(terms, body, requestFrameSizeBytesMax(protocol), `a request of ${protocol.id}`)
}

/** Opens a request. The refusals are ready to be sent back. */
export function decodeRequest<Request>(
  protocol: Pick<Protocol<Request, unknown>, 'request'>,
  terms: EnvelopeTerms,
  bytes: Uint8Array
): Reply<Request> {
  const envelope = openEnvelope(bytes)
  if (!envelope.ok) return envelope
  if (!equalBytes(envelope.value.network, terms.networkId)) {
    return refuse('WRONG_NETWORK', 'this peer belongs to another network', { network: terms.networkId })
  }
  takeHead(terms, envelope.value)
  return decodeValue(protocol.request, envelope.value.body)
}

/**
 * @throws {TypeError} when the value is not what the schema says
 * @throws {RangeError} when the answer is larger than the protocol allows
 */
export function encodeReply<Response>(
  protocol: ProtocolTerms,
  schema: z.ZodType<Response>,
  terms: EnvelopeTerms,
  reply: Reply<Response>
): Uint8Array {
  const what = `an answer of ${protocol.id}`
  const body = reply.ok
    ? { ok: true, value: encodeValue(schema, reply.value, what) }
    : encodeValue(replySchema, { ...reply, message: reply.message.slice(0, REFUSAL_MESSAGE_LENGTH_MAX) }, what)
  return encodeEnvelope(terms, body, answerFrameSizeBytesMax(protocol), what)
}

/** Opens an answer. Whatever is not one of the peer's two words is `no-answer`, code `INVALID`. */
export function decodeAnswer<Response>(
  schema: z.ZodType<Response>,
  terms: EnvelopeTerms,
  bytes: Uint8Array
): Answer<Response> {
  const envelope = openEnvelope(bytes)
  if (!envelope.ok) return noAnswer('INVALID', envelope.message)
  const reply = replySchema.safeParse(envelope.value.body)
  if (!reply.success)
    return noAnswer('INVALID', `the answer is neither a value nor a refusal: ${firstIssue(reply.error)}`)
  if (!reply.data.ok && FOREIGN_CODES.includes(reply.data.code)) return refused(reply.data)
  if (!equalBytes(envelope.value.network, terms.networkId))
    return noAnswer('INVALID', 'the answer is of another network')
  takeHead(terms, envelope.value)
  if (!reply.data.ok) return refused(reply.data)
  const value = decodeValue(schema, reply.data.value)
  return value.ok ? { kind: 'answer', value: value.value } : noAnswer('INVALID', value.message)
}

/** @param reason - what an error says; some of libp2p's, of several dials that failed, say nothing */
export function noAnswer(code: NoAnswerCode, reason: string): NoAnswer {
  return { kind: 'no-answer', code, reason: reason === '' ? `no reason was given (${code})` : reason }
}

function refused(refusal: z.infer<typeof replySchema> & { ok: false }): Answer<never> {
  return { kind: 'refused', code: refusal.code, message: refusal.message, details: refusal.details ?? {} }
}

function encodeEnvelope(
  { networkId, heads }: EnvelopeTerms,
  body: unknown,
  sizeBytesMax: number,
  what: string
): Uint8Array {
  const head = heads?.latest()
  const bytes = dagCbor.encode({ v: ENVELOPE_VERSION, network: networkId, ...(head !== undefined && { head }), body })
  if (bytes.length > sizeBytesMax) {
    throw new RangeError(`${what} may have ${sizeBytesMax} bytes with its envelope, got ${bytes.length}`)
  }
  return bytes
}

function openEnvelope(bytes: Uint8Array): Reply<z.infer<typeof envelopeSchema>> {
  let value: unknown
  try {
    value = dagCbor.decode(bytes)
  } catch (error) {
    return refuse('BAD_MESSAGE', `not dag-cbor: ${error instanceof Error ? error.message : String(error)}`)
  }
  const version = typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined
  if (version === undefined) return refuse('BAD_MESSAGE', 'no envelope: v is missing')
  if (version !== ENVELOPE_VERSION) {
    return refuse('WRONG_VERSION', `envelope version ${ENVELOPE_VERSION} is spoken here`, { version: ENVELOPE_VERSION })
  }
  return decodeValue(envelopeSchema, value)
}

function takeHead({ heads }: EnvelopeTerms, { head }: z.infer<typeof envelopeSchema>): void {
  if (head instanceof Uint8Array && head.length <= HEAD_SIZE_BYTES_MAX) heads?.saw(head)
}

/** From memory to the wire: codecs run backwards, optional keys that are `undefined` are left out. */
function encodeValue<T>(schema: z.ZodType<T>, value: T, what: string): unknown {
  const encoded = z.safeEncode(schema, value)
  if (!encoded.success) throw new TypeError(`${what} does not fit its schema: ${firstIssue(encoded.error)}`)
  return omitUndefined(encoded.data)
}

function decodeValue<T>(schema: z.ZodType<T>, value: unknown): Reply<T> {
  try {
    const decoded = schema.safeParse(value)
    return decoded.success ? { ok: true, value: decoded.data } : refuse('BAD_MESSAGE', firstIssue(decoded.error))
  } catch (error) {
    // A codec may throw on what it was not made for; on foreign bytes that is one more way of being invalid.
    return refuse('BAD_MESSAGE', error instanceof Error ? error.message : String(error))
  }
}

/** The first thing that is wrong, with its path: `pieces.3.cid: a CID of at most 128 bytes`. */
function firstIssue(error: z.core.$ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'invalid'
  const path = issue.path.map(String).join('.')
  return (path === '' ? issue.message : `${path}: ${issue.message}`).slice(0, REFUSAL_MESSAGE_LENGTH_MAX)
}

/** dag-cbor has no `undefined`, TypeScript's optional keys do. Copies plain objects and arrays, nothing else. */
function omitUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(omitUndefined)
  if (!isPlainObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, property]) => property !== undefined)
      .map(([key, property]) => [key, omitUndefined(property)])
  )
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
