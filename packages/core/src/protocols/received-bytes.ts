/**
 * Memory in which bytes came from the network: freed as soon as they are copied out of it.
 *
 * A transport makes an array for every few KiB that come. The collector of garbage counts them and goes through the whole
 * heap for a dozen MiB of them, which takes a reader longer than the bytes; what is freed by hand is not counted.
 */
import type { Uint8ArrayList } from 'uint8arraylist'

const IS_RECEIVED = Symbol('is received')

/** Not every engine has it yet; without it, nothing is freed by hand. */
const transfer: unknown = Reflect.get(ArrayBuffer.prototype, 'transfer')

/** Says of bytes that just came that their memory is theirs alone, and that whoever takes them out may free it. */
export function markReceived({ buffer }: Uint8Array): void {
  Reflect.set(buffer, IS_RECEIVED, true)
}

/** Copies a list, and frees what of its memory was received and holds nothing else. Its bytes are gone then. */
export function moveBytes(bytes: Uint8ArrayList, target: Uint8Array): void {
  let offset = 0
  for (const part of bytes) {
    target.set(part, offset)
    offset += part.length
    const { buffer } = part
    const isWhole = part.byteLength === buffer.byteLength
    if (isWhole && typeof transfer === 'function' && Reflect.get(buffer, IS_RECEIVED) === true)
      Reflect.apply(transfer, buffer, [0])
  }
}

/** The bytes of a list in one piece of their own, or, where they are in one piece already, as they are. */
export function takeBytes(bytes: Uint8ArrayList): Uint8Array {
  const [first, second] = bytes
  if (second === undefined) return first ?? new Uint8Array()
  const taken = new Uint8Array(bytes.byteLength)
  moveBytes(bytes, taken)
  return taken
}
