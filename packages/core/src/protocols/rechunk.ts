/**
 * Cuts a byte stream into chunks of exactly `sizeBytes`, the last one shorter.
 *
 * A chunk that lies within one source chunk is a view of it; only what crosses a border is copied, once. The source must
 * not change what it has yielded.
 */
export function rechunk(sizeBytes: number): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array> {
  return async function* (source) {
    let held: Uint8Array | undefined
    let heldSizeBytes = 0
    for await (let rest of source) {
      while (rest.length > 0) {
        if (held === undefined && rest.length >= sizeBytes) {
          yield rest.subarray(0, sizeBytes)
          rest = rest.subarray(sizeBytes)
          continue
        }
        const taken = rest.subarray(0, sizeBytes - heldSizeBytes)
        held = withRoom(held, heldSizeBytes, heldSizeBytes + taken.length, sizeBytes)
        held.set(taken, heldSizeBytes)
        heldSizeBytes += taken.length
        rest = rest.subarray(taken.length)
        if (heldSizeBytes === sizeBytes) {
          yield held
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
