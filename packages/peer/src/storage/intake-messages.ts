/** What goes between the peer's main thread and the workers that take pieces in. Plain data and shared slabs. */
import { PeerError } from '../error.ts'
import type { IncomingOptions } from './incoming-file.ts'

/** Calls of one file are answered in the order in which they came. */
export type IntakeCall =
  | { readonly kind: 'open'; readonly options: IncomingOptions }
  /** The bytes lie at the front of the slab of that number, which is the worker's until it answers. */
  | { readonly kind: 'write'; readonly slab: number; readonly sizeBytes: number }
  | { readonly kind: 'finish' | 'sync' | 'suspend' | 'discard' }

/** What a worker is started with. */
export interface IntakeWorkerData {
  /** All slabs, one behind the other. */
  readonly slabs: Uint8Array<SharedArrayBuffer>
}

/** A chunk of the wire, and one write to the disk. */
export const INTAKE_SLAB_SIZE_BYTES = 1024 * 1024

export function slabOf(slabs: Uint8Array, slab: number, sizeBytes: number): Uint8Array {
  return slabs.subarray(slab * INTAKE_SLAB_SIZE_BYTES, slab * INTAKE_SLAB_SIZE_BYTES + sizeBytes)
}

export interface IntakeRequest {
  readonly call: number
  readonly file: number
  readonly wanted: IntakeCall
}

export type IntakeAnswer =
  | { readonly call: number; readonly ok: true; readonly value: unknown }
  | { readonly call: number; readonly ok: false; readonly error: PostedError }

/** An error as data: what structured cloning would lose of ours. */
export interface PostedError {
  readonly isOurs: boolean
  readonly name: string
  readonly code: string
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

export function postError(error: unknown): PostedError {
  const message = error instanceof Error ? error.message : String(error)
  const name = error instanceof Error ? error.name : 'Error'
  if (!(error instanceof PeerError)) return { isOurs: false, name, code: '', message, details: {} }
  return { isOurs: true, name, code: error.code, message, details: error.details }
}

export function receiveError({ isOurs, name, code, message, details }: PostedError): Error {
  if (isOurs) return new PeerError(code, message, details)
  return name === 'RangeError' ? new RangeError(message) : new Error(message)
}
