/** How a piece comes to a provider: pulled from another one that has it, or uploaded from here. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { CID } from 'multiformats/cid'
import { machineClock } from '../clock.ts'
import type { LedgerState } from '../ledger/state.ts'
import { type Statement, statementDigestOf } from '../ledger/statements.ts'
import { openDeadline } from '../protocols/deadline.ts'
import { pullPiece, storePiece } from '../protocols/definitions.ts'
import { request } from '../protocols/engine.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import type { Answer } from '../protocols/protocol.ts'
import { upload } from '../protocols/upload.ts'
import type { ReplicaPiece, StoreComponents } from './components.ts'
import { ANSWER_MS_MAX, impatient, TRANSFER_RATE_BYTES_PER_SECOND_MIN } from './transfer-terms.ts'

/** How often a pull is asked how far it is. */
const PULL_WAIT_MS = 2_000

/** Breaks of one upload after which its provider is given up: a restart of the provider is one. */
const BREAKS_MAX = 3

/** Before an upload that broke is tried again; twice as long each time. */
const BREAK_MS = 250

export interface TransferOptions {
  readonly dealId: number
  /** The piece of the deal that the provider says it lost, and that these bytes are. */
  readonly mends?: CID | undefined
  readonly signal?: AbortSignal | undefined
  /** Bytes that the provider has taken. */
  readonly onProgress: (takenBytes: number) => void
}

type Stored = { readonly cid: CID; readonly rawSize: number }

/**
 * Uploads a piece and goes on where it stopped, also in another process: the upload's id follows from deal and piece.
 * A provider that is slower than the least rate, or silent, is left.
 */
export async function uploadPiece(
  components: StoreComponents,
  ask: Statement<'Ask'>,
  piece: ReplicaPiece,
  options: TransferOptions
): Promise<Answer<Stored>> {
  const { clock = machineClock } = components
  const progress = { takenBytes: 0 }
  for (let breaks = 0; ; breaks++) {
    const answer = await uploadOnce(components, ask, piece, options, progress)
    const isBroken = answer.kind === 'no-answer' && (answer.code === 'CUT' || answer.code === 'UNREACHABLE')
    if (!isBroken || progress.takenBytes === 0 || breaks === BREAKS_MAX) return answer
    await clock.sleep(BREAK_MS * 2 ** breaks, options.signal)
  }
}

async function uploadOnce(
  { node, ledger, measurements, clock = machineClock, patience = {} }: StoreComponents,
  ask: Statement<'Ask'>,
  piece: ReplicaPiece,
  { dealId, mends, signal, onProgress }: TransferOptions,
  progress: { takenBytes: number }
): Promise<Answer<Stored>> {
  // The protocol's own time is for the disk at the end; a peer that does not even answer is left sooner.
  const opening = openDeadline({ ...(signal !== undefined && { signal }), clock })
  opening.restart(patience.answerMsMax ?? ANSWER_MS_MAX)
  const { idleTimeoutMs } = impatient(storePiece, patience)
  /** Where the upload began and when: what comes before that is the provider's ledger catching up. */
  let begun: { readonly bytes: number; readonly atMs: number } | undefined
  try {
    const answer = await upload(
      node,
      parsePeerAddresses(ask.addresses),
      { ...storePiece, idleTimeoutMs },
      {
        dealId,
        sizeBytes: piece.rawSize,
        uploadId: uploadIdOf(dealId, piece),
        ...(mends !== undefined && { mends })
      },
      offset => piece.read(offset),
      {
        networkId: ledger.state.networkId,
        signal: opening.signal,
        clock,
        onProgress(takenBytes) {
          opening.rest()
          begun ??= { bytes: takenBytes, atMs: clock.now() }
          progress.takenBytes = takenBytes
          onProgress(takenBytes)
        }
      }
    )
    if (answer.kind === 'answer' && begun !== undefined) {
      const bytes = piece.rawSize - begun.bytes
      measurements?.record(ask.provider, { kind: 'upload', bytes, ms: clock.now() - begun.atMs })
    }
    return answer
  } catch (error) {
    signal?.throwIfAborted()
    if (!opening.signal.aborted) throw error
    return { kind: 'no-answer', code: 'TIMED_OUT', reason: 'it did not begin to take the piece' }
  } finally {
    opening.release()
  }
}

/** 128 bits for these bytes in this deal alone, the same in every run. */
function uploadIdOf(dealId: number, { label, cid }: ReplicaPiece): string {
  const name = `holdfast/upload/${dealId}/${bytesToHex(label)}/${cid ?? ''}`
  return bytesToHex(sha256(utf8ToBytes(name)).subarray(0, 16))
}

/**
 * Has a provider fetch a piece from another one.
 *
 * @returns undefined when the provider holds the piece, else why it does not: then the piece is uploaded
 */
export async function pullFrom(
  source: Statement<'Ask'>,
  { node, ledger, clock = machineClock, patience = {} }: StoreComponents,
  ask: Statement<'Ask'>,
  piece: ReplicaPiece,
  { dealId, signal, onProgress }: TransferOptions
): Promise<string | undefined> {
  const cid = await piece.commit(signal)
  const { bytesPerSecondMin = TRANSFER_RATE_BYTES_PER_SECOND_MIN, answerMsMax = ANSWER_MS_MAX } = patience
  const terms = { ...pullPiece, timeoutMs: Math.min(pullPiece.timeoutMs, PULL_WAIT_MS + answerMsMax) }
  const { state } = ledger
  const permission = piece.permit?.(
    { provider: source.provider, reader: ask.provider, validUntilRound: permissionEnd(state) },
    statementDigestOf(state)
  )
  const question = { dealId, piece: cid, from: source.addresses, waitMs: PULL_WAIT_MS }
  let seen = { bytes: 0, atMs: clock.now() }
  for (;;) {
    const answer = await request(
      node,
      parsePeerAddresses(ask.addresses),
      terms,
      { ...question, ...(permission !== undefined && { permission }) },
      { networkId: state.networkId, clock, ...(signal !== undefined && { signal }) }
    )
    if (answer.kind !== 'answer') return answer.kind === 'refused' ? answer.message : answer.reason
    const { held, receivedBytes } = answer.value
    onProgress(receivedBytes)
    if (held) return undefined
    const nowMs = clock.now()
    const silentMs = nowMs - seen.atMs
    const isSlow = receivedBytes - seen.bytes < (bytesPerSecondMin * silentMs) / 1000
    if (isSlow && silentMs > answerMsMax) return `it received ${receivedBytes - seen.bytes} bytes in ${silentMs} ms`
    if (!isSlow) seen = { bytes: receivedBytes, atMs: nowMs }
  }
}

/** As long as a permission may last: the pull of a large piece over a slow line takes many rounds of seconds. */
export function permissionEnd({ round, parameters }: Pick<LedgerState, 'round' | 'parameters'>): number {
  return round + parameters.statementRoundsMax
}
