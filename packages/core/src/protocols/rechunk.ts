/**
 * Cuts a byte stream into chunks of exactly `sizeBytes`, the last one shorter.
 *
 * A chunk that lies within one source chunk is a view of it; only what crosses a border is copied, once. The source must
 * not change what it has yielded.
 *
 * @param totalBytes - of the whole stream, where that is known: its last chunk does not wait for its end
 */
export function rechunk(
  sizeBytes: number,
  totalBytes = Number.POSITIVE_INFINITY
): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array> {
  return async function* (source) {
    let held: Uint8Array | undefined
    let heldSizeBytes = 0
    let leftBytes = totalBytes
    for await (let rest of source) {
      while (rest.length > 0) {
        const chunkSizeBytes = Math.min(sizeBytes, leftBytes)
        if (chunkSizeBytes === 0) throw new RangeError(`a source of ${totalBytes} bytes has more`)
        if (held === undefined && rest.length >= chunkSizeBytes) {
          yield rest.subarray(0, chunkSizeBytes)
          rest = rest.subarray(chunkSizeBytes)
          leftBytes -= chunkSizeBytes
          continue
        }
        const taken = rest.subarray(0, chunkSizeBytes - heldSizeBytes)
        held = withRoom(held, heldSizeBytes, heldSizeBytes + taken.length, chunkSizeBytes)
        held.set(taken, heldSizeBytes)
        heldSizeBytes += taken.length
        rest = rest.subarray(taken.length)
        if (heldSizeBytes === chunkSizeBytes) {
          yield held.subarray(0, heldSizeBytes)
          leftBytes -= chunkSizeBytes
          held = undefined
          heldSizeBytes = 0
        }
      }
    }
    if (held !== undefined) yield held.subarray(0, heldSizeBytes)
  }
}

/** Memory for what is held and what comes to it; of a short stream no more than twice what it has. */
function withRoom(held: Uint8Array | undefined, heldSizeBytes: number, neededBytes: number, sizeBytesMax: number) {
  if (held !== undefined && held.length >= neededBytes) return held
  const larger = new Uint8Array(Math.min(sizeBytesMax, 2 * neededBytes))
  if (held !== undefined) larger.set(held.subarray(0, heldSizeBytes))
  return larger
}
