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
        held ??= new Uint8Array(sizeBytes)
        const taken = rest.subarray(0, sizeBytes - heldSizeBytes)
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
