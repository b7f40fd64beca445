/** The keystream of a replica by Node's OpenSSL. Apart from the other ciphers, so that a thread loads nothing else. */
import { createCipheriv } from 'node:crypto'
import type { Keystream } from '@holdfast/core'

const KEYSTREAM_BLOCK_SIZE_BYTES = 64

/** ChaCha20 of RFC 8439 under a zero nonce, from a byte on; the key is used for nothing else. */
export function createKeystream(key: Uint8Array, offset: number): Keystream {
  const into = offset % KEYSTREAM_BLOCK_SIZE_BYTES
  // OpenSSL takes the block's number, 32 bits little-endian, before the nonce of RFC 8439, which is zero here.
  const start = new Uint8Array(16)
  new DataView(start.buffer).setUint32(0, (offset - into) / KEYSTREAM_BLOCK_SIZE_BYTES, true)
  const cipher = createCipheriv('chacha20', key, start)
  if (into > 0) cipher.update(new Uint8Array(into))
  return { xor: (bytes, into = bytes) => moveInto(into, cipher.update(bytes)) }
}

/**
 * Copies what OpenSSL returned, and frees it at once: left to the collector, buffers that live for one call are a third
 * of the time and a hundred megabytes.
 *
 * @param from - a buffer of its own, which is empty afterwards
 */
export function moveInto(into: Uint8Array, from: Buffer<ArrayBufferLike>): void {
  into.set(from)
  const { buffer } = from
  if (buffer instanceof ArrayBuffer && buffer.byteLength === from.byteLength && from.byteLength > 0) buffer.transfer(0)
}
