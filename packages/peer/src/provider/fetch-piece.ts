/** Fetches a whole piece from one provider into a writer of the store: for pulls that a client asks for, and for healing. */
import {
  CoreError,
  download,
  type ReadPermission,
  type Refusal,
  type Reply,
  readRange,
  refuse,
  type ServeOptions
} from '@holdfast/core'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import type { PieceWriter } from '../storage/index.ts'
import { orFullDisk } from './accept-upload.ts'
import type { ProviderComponents } from './components.ts'

/** Cuts of one transfer after which its source is given up. */
const CUTS_MAX = 3

export interface PieceFetch {
  readonly piece: CID
  readonly rawSize: number
  readonly permission: ReadPermission | null
  /** One provider's. */
  readonly sources: readonly Multiaddr[]
  readonly signal: AbortSignal
  readonly onProgress?: (receivedBytes: number) => void
}

/**
 * Goes on where the writer stands, and keeps what came only if it is the piece.
 *
 * An end that is not a commit leaves the writer open: it is the caller's to suspend or abort. Wrong bytes abort it.
 *
 * @throws the signal's reason, and the store's own failures
 */
export async function fetchPiece(
  components: Pick<ProviderComponents, 'node'>,
  options: Pick<ServeOptions, 'networkId' | 'clock'>,
  writer: PieceWriter,
  fetch: PieceFetch
): Promise<Reply<true>> {
  const { piece, rawSize, onProgress } = fetch
  for (let cuts = 0; writer.positionBytes < rawSize; ) {
    onProgress?.(writer.positionBytes)
    const before = writer.positionBytes
    const failure = await fetchOnce(components, options, writer, fetch)
    if (failure === undefined) continue
    cuts = writer.positionBytes > before ? 0 : cuts + 1
    if (!failure.isCut || cuts === CUTS_MAX) return failure.refusal
  }
  const found = await writer.finish()
  if (found.piece !== piece.toString()) {
    await writer.abort()
    return refuse('PULL_FAILED', `the source sent ${found.piece} instead`)
  }
  const committed = await orFullDisk(() => writer.commit())
  return committed.ok ? { ok: true, value: true } : committed
}

/** @returns undefined when the bytes came to their end, else why they did not */
async function fetchOnce(
  components: Pick<ProviderComponents, 'node'>,
  options: Pick<ServeOptions, 'networkId' | 'clock'>,
  writer: PieceWriter,
  { piece, rawSize, permission, sources, signal, onProgress }: PieceFetch
): Promise<{ readonly isCut: boolean; readonly refusal: Refusal } | undefined> {
  const offset = writer.positionBytes
  const message = { piece, offset, length: rawSize - offset, permission, proof: false }
  const failed = (isCut: boolean, why: string) => ({ isCut, refusal: refuse('PULL_FAILED', `the source ${why}`) })
  const answer = await download(components.node, [...sources], readRange, message, {
    networkId: options.networkId,
    reusesChunks: 'with-the-next', // a writer has taken a chunk when it asks for the next
    ...(options.clock !== undefined && { clock: options.clock }),
    signal
  })
  if (answer.kind === 'refused') return failed(false, `refused: ${answer.code}: ${answer.message}`)
  if (answer.kind === 'no-answer') return failed(answer.code === 'CUT', `gave no answer: ${answer.reason}`)
  try {
    for await (const chunk of answer.value.chunks) {
      if (writer.positionBytes + chunk.length > rawSize) return failed(false, 'sent more than the piece has')
      const written = await orFullDisk(() => writer.write(chunk))
      if (!written.ok) return { isCut: false, refusal: written }
      onProgress?.(writer.positionBytes)
    }
  } catch (error) {
    signal.throwIfAborted()
    return transferFailure(error, failed)
  }
  return writer.positionBytes === rawSize ? undefined : failed(true, 'sent less than the piece has')
}

/** What a transfer throws on the other side's account; anything else is ours and thrown on. */
function transferFailure<T>(error: unknown, failed: (isCut: boolean, why: string) => T): T {
  if (error instanceof CoreError && error.code === 'TRANSFER_CUT') return failed(true, error.message)
  if (error instanceof CoreError && error.code === 'TRANSFER_REFUSED') return failed(false, error.message)
  throw error
}
