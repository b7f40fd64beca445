/**
 * A short range of a piece over HTTP, at the provider's own port under TLS: with one request and no stream to be opened, it is there
 * before libp2p could be asked for it. A private piece is opened by a permission that goes along.
 */
import type { CID } from 'multiformats/cid'
import { formatBearer, type ReadPermission } from '../pieces/index.ts'
import type { Address } from '../schema.ts'
import { type HttpSource, webServerAmong } from './fetch-over-http.ts'

/** A leaf of the largest size with the frames around it; who wants more is better off with a stream. */
export const RANGE_OVER_HTTP_SIZE_BYTES_MAX = 3 * 1024 * 1024

export interface PieceRange {
  readonly addresses: readonly string[]
  readonly piece: CID
  readonly offset: number
  readonly length: number
  readonly permission: ReadPermission | undefined
  /** Whom the permission is for. */
  readonly reader?: Address | undefined
}

export interface RangeOverHttpOptions {
  readonly timeoutMs: number
  readonly wholeTimeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly onAnswer: () => void
  /** Told whenever more has come: how much by then. */
  readonly onBytes: (sizeBytes: number) => void
}

export type RangeOverHttp =
  | { readonly ok: true }
  | { readonly ok: false; readonly isFailure: boolean; readonly reason: string }

/**
 * Yields the range as it comes, unchecked. Returns whether that was all, or why not; undefined where the provider cannot be asked so.
 *
 * A range that its reader leaves half read comes to its end all the same: the next request needs the connection.
 */
export async function* rangeOverHttp(
  source: HttpSource,
  { addresses, piece, offset, length, permission, reader }: PieceRange,
  { onBytes, onAnswer, ...options }: RangeOverHttpOptions
): AsyncGenerator<Uint8Array, RangeOverHttp | undefined> {
  const server = length > RANGE_OVER_HTTP_SIZE_BYTES_MAX ? undefined : webServerAmong(addresses, source, false)
  if (server?.peer === undefined || (permission !== undefined && reader === undefined)) return undefined
  const bytes = new Uint8Array(length)
  let filled = 0
  let isOver = false
  let more = Promise.withResolvers<void>()
  const asked = source.request({
    ...options,
    ...server,
    target: `/piece/${piece}`,
    accept: 'application/octet-stream',
    ...(permission !== undefined && reader !== undefined && { authorization: formatBearer({ permission, reader }) }),
    range: { offset, length },
    sizeBytesMax: length,
    allocate: () => bytes,
    onAnswer,
    onBytes(_, filledNow) {
      filled = filledNow
      onBytes(filled)
      more.resolve()
    }
  })
  const end = () => {
    isOver = true
    more.resolve()
  }
  asked.then(end, end)
  for (let given = 0; given < length; ) {
    if (given < filled) {
      const chunk = bytes.subarray(given, filled)
      given = filled
      yield chunk
    } else if (isOver) {
      break
    } else {
      await more.promise
      more = Promise.withResolvers()
    }
  }
  const answer = await asked
  if (answer.ok) return { ok: true }
  return { ok: false, reason: answer.reason, isFailure: filled > 0 || answer.isSilent }
}
