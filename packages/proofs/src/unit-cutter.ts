/** Cuts a stream of chunks into whole units: what fr32 and the piece hasher have in common. */
export interface UnitCutter {
  /** Takes the next chunk; hands on the whole units that it completes before it returns. */
  push(bytes: Uint8Array): void
  /** Ends the stream. @returns the bytes of the started unit, fewer than a unit; valid until the next push */
  end(): Uint8Array
}

/**
 * Creates a cutter; after `end` it begins anew.
 *
 * @param unitSize - bytes of a unit
 * @param take - is handed one or more whole units at a time, valid during the call: mostly views on the caller's chunk,
 *   so that nothing is copied but the one unit that two chunks share
 */
export function createUnitCutter(unitSize: number, take: (units: Uint8Array) => void): UnitCutter {
  const started = new Uint8Array(unitSize)
  let startedSize = 0

  /** @returns bytes of the chunk that went into the started unit */
  function completeStarted(bytes: Uint8Array): number {
    if (startedSize === 0) return 0
    const size = Math.min(unitSize - startedSize, bytes.length)
    started.set(bytes.subarray(0, size), startedSize)
    startedSize += size
    if (startedSize === unitSize) {
      take(started)
      startedSize = 0
    }
    return size
  }

  return {
    push(bytes) {
      const offset = completeStarted(bytes)
      if (offset === bytes.length) return
      const restSize = (bytes.length - offset) % unitSize
      const restOffset = bytes.length - restSize
      if (restOffset > offset) take(bytes.subarray(offset, restOffset))
      started.set(bytes.subarray(restOffset))
      startedSize = restSize
    },

    end() {
      const rest = started.subarray(0, startedSize)
      startedSize = 0
      return rest
    }
  }
}

/** Lays byte arrays one after another. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}
