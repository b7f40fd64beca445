import type { Writable } from 'node:stream'
import type { Uint8ArrayList } from 'uint8arraylist'

/** A chunk of the wire with its heads, in frames of the muxer. */
const SLAB_SIZE_BYTES = 1024 * 1024 + 4 * 1024
/** What goes out at once where the socket has nothing to do: it is encrypted and on its way while the rest is copied. */
const BEGIN_SIZE_BYTES = 256 * 1024
/** What is shorter waits for the socket in memory of its own size. */
const COPIED_SIZE_BYTES = 16 * 1024
/** One that is encrypted, one that waits; of a machine that sends to many, more are made and let go. */
const SPARE_SLABS_MAX = 4

const spare: Buffer[] = []

/** The way into a socket for what is said in small and large parts. */
export interface SlabWriter {
  /** Copies the bytes, all of them. @returns whether more is welcome; if not, the socket's `drain` says when it is */
  write(data: Uint8ArrayList): boolean
  /** Hands the socket what it has not been given yet. */
  flush(): void
}

/**
 * Gives a socket in one step what is ready to be said at once: a TLS record and a packet carry more than one part.
 *
 * Node takes a turn of the loop for each write under TLS, however small, and copies many parts written at once into a new array,
 * which then has to be collected. Here they are copied into one that is used again when the socket has taken it.
 */
export function writeSlabs(socket: Pick<Writable, 'write' | 'writableLength' | 'writableNeedDrain'>): SlabWriter {
  /** Filled up to `filledBytes`. */
  let slab: Buffer | undefined
  let filledBytes = 0
  let isAwaited = false

  function flush(): void {
    if (slab === undefined || filledBytes === 0) return
    const filled = slab
    const bytes = filled.subarray(0, filledBytes)
    const release = () => {
      if (spare.length < SPARE_SLABS_MAX) spare.push(filled)
    }
    slab = undefined
    filledBytes = 0
    if (bytes.length >= COPIED_SIZE_BYTES) socket.write(bytes, release)
    else {
      // It may wait behind what the socket cannot get rid of.
      socket.write(Buffer.from(bytes))
      release()
    }
  }

  function copy(part: Uint8Array): void {
    for (let offset = 0; offset < part.length; ) {
      slab ??= spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_SIZE_BYTES)
      const step = part.subarray(offset, offset + SLAB_SIZE_BYTES - filledBytes)
      slab.set(step, filledBytes)
      filledBytes += step.length
      offset += step.length
      if (filledBytes === SLAB_SIZE_BYTES) flush()
    }
  }

  return {
    flush,
    write(data) {
      for (const part of data) copy(part)
      if (filledBytes >= BEGIN_SIZE_BYTES && socket.writableLength === 0) flush()
      if (filledBytes > 0 && !isAwaited) {
        isAwaited = true
        afterAllThatIsReady(() => {
          isAwaited = false
          flush()
        })
      }
      return !socket.writableNeedDrain
    }
  }
}

/** Once no promise that is settled has anybody left to tell, and before anything else happens: no turn of the loop later. */
function afterAllThatIsReady(then: () => void): void {
  process.nextTick(() => queueMicrotask(() => process.nextTick(then)))
}
