/**
 * How many bytes strangers may have on the way at once: of one peer, and of all.
 *
 * Every transfer may hold a few chunks in memory while its other side is slow; who opens a hundred of them and stalls must
 * be refused the next one, before it costs anything, and must not be able to use up what others need.
 */
import { CHUNK_SIZE_BYTES_MAX, CHUNKS_IN_FLIGHT_MAX, type Refusal, refuse } from '@holdfast/core'

/** What one transfer holds at most, on our side of the stream. */
const TRANSFER_SIZE_BYTES = CHUNK_SIZE_BYTES_MAX * CHUNKS_IN_FLIGHT_MAX

/** 64 transfers of large pieces, of which one peer may have eight. */
export const IN_FLIGHT_SIZE_BYTES_MAX_DEFAULT = 64 * TRANSFER_SIZE_BYTES
const PEERS_SHARE = 8

export interface TransferBudgetOptions {
  /** Of all transfers; at least one transfer's worth. */
  readonly bytesMax?: number
  /** Of one peer's. An eighth of all when left out. */
  readonly bytesPerPeerMax?: number
}

export interface TransferBudget {
  /**
   * Takes room for one transfer.
   *
   * @param sizeBytes - of the whole transfer: a small one takes no more than it has
   * @returns what gives it back, idempotent, or the refusal that is due
   */
  take(peer: string, sizeBytes: number): { readonly ok: true; readonly giveBack: () => void } | Refusal
  readonly takenBytes: number
}

export function createTransferBudget({
  bytesMax = IN_FLIGHT_SIZE_BYTES_MAX_DEFAULT,
  bytesPerPeerMax = Math.max(TRANSFER_SIZE_BYTES, Math.floor(bytesMax / PEERS_SHARE))
}: TransferBudgetOptions = {}): TransferBudget {
  const takenByPeer = new Map<string, number>()
  let takenBytes = 0

  function change(peer: string, bytes: number): void {
    takenBytes += bytes
    const ofPeer = (takenByPeer.get(peer) ?? 0) + bytes
    if (ofPeer === 0) takenByPeer.delete(peer)
    else takenByPeer.set(peer, ofPeer)
  }

  return {
    get takenBytes() {
      return takenBytes
    },
    take(peer, sizeBytes) {
      const bytes = Math.min(TRANSFER_SIZE_BYTES, Math.max(1, sizeBytes))
      const ofPeer = (takenByPeer.get(peer) ?? 0) + bytes
      if (ofPeer > bytesPerPeerMax) return refuse('BUSY', 'you have too many transfers with me: end one first')
      if (takenBytes + bytes > bytesMax) return refuse('BUSY', 'I have too many transfers: try again in a while')
      change(peer, bytes)
      let isTaken = true
      return {
        ok: true,
        giveBack() {
          if (isTaken) change(peer, -bytes)
          isTaken = false
        }
      }
    }
  }
}

/** Gives room back when a source has been read, left, or when its stream is gone before it was begun. */
export function returning<T>(source: AsyncIterable<T>, giveBack: () => void, signal: AbortSignal): AsyncIterable<T> {
  if (signal.aborted) giveBack()
  else signal.addEventListener('abort', giveBack, { once: true })
  return (async function* () {
    try {
      yield* source
    } finally {
      giveBack()
    }
  })()
}
