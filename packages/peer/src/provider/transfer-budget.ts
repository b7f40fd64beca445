/**
 * How many bytes strangers may have on the way at once: of one peer, and of all.
 *
 * Every transfer may hold a few chunks in memory while its other side is slow; who opens a hundred of them and stalls must
 * be refused the next one, before it costs anything, and must not be able to use up what others need. When all room is
 * taken, a newcomer gets that of the transfer which has stalled longest, of the peer that holds most: several identities
 * that stall together keep nobody out for longer than {@link STALLED_MS}.
 */
import {
  CHUNK_SIZE_BYTES_MAX,
  CHUNKS_IN_FLIGHT_MAX,
  type Clock,
  machineClock,
  type Refusal,
  refuse
} from '@holdfast/core'

/** What one transfer holds at most, on our side of the stream. */
const TRANSFER_SIZE_BYTES = CHUNK_SIZE_BYTES_MAX * CHUNKS_IN_FLIGHT_MAX

/** 64 transfers of large pieces, of which one peer may have eight. */
export const IN_FLIGHT_SIZE_BYTES_MAX_DEFAULT = 64 * TRANSFER_SIZE_BYTES
const PEERS_SHARE = 8

/** Without a whole chunk for so long, a transfer makes room for who is waiting: a line of 4 Mbit/s is faster. */
export const STALLED_MS = 2_000

export interface TransferBudgetOptions {
  /** Of all transfers; at least one transfer's worth. */
  readonly bytesMax?: number
  /** Of one peer's. An eighth of all when left out. */
  readonly bytesPerPeerMax?: number
  /** Default the machine's. */
  readonly clock?: Pick<Clock, 'now'>
}

/** Room that one transfer has taken. */
export interface TransferRoom {
  readonly ok: true
  /** It is our turn: the disk reads or writes. */
  working(): void
  /** It is the other side's turn: from now on it stalls. */
  waiting(): void
  /** Idempotent. */
  giveBack(): void
}

export interface TransferBudget {
  /**
   * Takes room for one transfer, which is working at first.
   *
   * @param sizeBytes - of the whole transfer: a small one takes no more than it has
   * @param cut - ends the transfer when its room is given to another one; its room is back by then
   * @returns the room, or the refusal that is due
   */
  take(peer: string, sizeBytes: number, cut: (reason: string) => void): TransferRoom | Refusal
  readonly takenBytes: number
}

interface Transfer {
  readonly peer: string
  readonly bytes: number
  /** Undefined while it is our turn. */
  waitingSinceMs: number | undefined
  readonly cut: (reason: string) => void
}

export function createTransferBudget({
  bytesMax = IN_FLIGHT_SIZE_BYTES_MAX_DEFAULT,
  bytesPerPeerMax = Math.max(TRANSFER_SIZE_BYTES, Math.floor(bytesMax / PEERS_SHARE)),
  clock = machineClock
}: TransferBudgetOptions = {}): TransferBudget {
  const transfers = new Set<Transfer>()
  const takenByPeer = new Map<string, number>()
  let takenBytes = 0

  function change(peer: string, bytes: number): void {
    takenBytes += bytes
    const ofPeer = (takenByPeer.get(peer) ?? 0) + bytes
    if (ofPeer === 0) takenByPeer.delete(peer)
    else takenByPeer.set(peer, ofPeer)
  }

  function end(transfer: Transfer): void {
    if (transfers.delete(transfer)) change(transfer.peer, -transfer.bytes)
  }

  /** Stalled transfers that give so much room together, of peers that hold no less than a newcomer will; none if too few do. */
  function chooseStalled(neededBytes: number, newcomersBytes: number): Transfer[] {
    const nowMs = clock.now()
    const held = ({ peer }: Transfer) => takenByPeer.get(peer) ?? 0
    const stalledMs = ({ waitingSinceMs = nowMs }: Transfer) => nowMs - waitingSinceMs
    const stalled = [...transfers]
      .filter(transfer => stalledMs(transfer) >= STALLED_MS && held(transfer) >= newcomersBytes)
      .sort((a, b) => held(b) - held(a) || stalledMs(b) - stalledMs(a))
    const chosen: Transfer[] = []
    let bytes = 0
    for (const transfer of stalled) {
      if (bytes >= neededBytes) break
      chosen.push(transfer)
      bytes += transfer.bytes
    }
    return bytes >= neededBytes ? chosen : []
  }

  return {
    get takenBytes() {
      return takenBytes
    },
    take(peer, sizeBytes, cut) {
      const bytes = Math.min(TRANSFER_SIZE_BYTES, Math.max(1, sizeBytes))
      const ofPeer = (takenByPeer.get(peer) ?? 0) + bytes
      if (ofPeer > bytesPerPeerMax) return refuse('BUSY', 'you have too many transfers with me: end one first')
      const missingBytes = takenBytes + bytes - bytesMax
      if (missingBytes > 0) {
        for (const stalled of chooseStalled(missingBytes, ofPeer)) {
          end(stalled)
          stalled.cut('this transfer stood still while others waited')
        }
      }
      if (takenBytes + bytes > bytesMax) return refuse('BUSY', 'I have too many transfers: try again in a while')
      const transfer: Transfer = { peer, bytes, waitingSinceMs: undefined, cut }
      transfers.add(transfer)
      change(peer, bytes)
      return {
        ok: true,
        working() {
          transfer.waitingSinceMs = undefined
        },
        waiting() {
          transfer.waitingSinceMs = clock.now()
        },
        giveBack: () => end(transfer)
      }
    }
  }
}

/**
 * Gives room back when a source has been read, left, or when its stream is gone before it was begun. Between two chunks it
 * is the reader's turn.
 */
export function returning<T>(source: AsyncIterable<T>, room: TransferRoom, signal: AbortSignal): AsyncIterable<T> {
  if (signal.aborted) room.giveBack()
  else signal.addEventListener('abort', () => room.giveBack(), { once: true })
  room.waiting()
  return (async function* () {
    try {
      room.working()
      for await (const chunk of source) {
        room.waiting()
        yield chunk
        room.working()
      }
    } finally {
      room.giveBack()
    }
  })()
}
