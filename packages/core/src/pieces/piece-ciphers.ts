/**
 * The two primitives of private pieces, passed in: ChaCha20-Poly1305 for frames and ChaCha20 for the outer layer, both of
 * RFC 8439. Two implementations: this one by noble, which runs everywhere, and Node's in `@holdfast/peer`.
 *
 * WebCrypto has AES only, and only asynchronous: in browsers noble's ChaCha20 (over 100 MB/s) is faster than any line
 * that the bytes then go over, while its AES (16 MB/s) would not be. Nothing here is chosen by silent fallback.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8439
 */
import { chacha20, chacha20poly1305 } from '@noble/ciphers/chacha.js'

/** Bytes that authenticate a frame, at its end. */
export const FRAME_TAG_SIZE_BYTES = 16

/** Bytes of one step of the keystream. */
const KEYSTREAM_BLOCK_SIZE_BYTES = 64

/** A nonce that never changes: every keystream has a key of its own. */
const NO_NONCE = new Uint8Array(12)

export interface PieceCiphers {
  readonly name: 'noble' | 'node'
  /**
   * Encrypts in place; the last 16 bytes of `frame` are room for the tag.
   *
   * @param key - 32 bytes
   * @param nonce - 12 bytes, never twice with one key
   */
  sealFrame(frame: Uint8Array, key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array): void
  /**
   * Decrypts in place, the tag stays where it is.
   *
   * @returns whether these bytes were sealed so; otherwise what `frame` holds then is of no use
   */
  openFrame(frame: Uint8Array, key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array): boolean
  /** The keystream of a key from a byte on, up to 2^38 bytes. */
  keystream(key: Uint8Array, offset: number): Keystream
}

export interface Keystream {
  /** XORs the next bytes of the keystream with `bytes`, in place or into another array of their length. */
  xor(bytes: Uint8Array, into?: Uint8Array): void
}

export const portablePieceCiphers: PieceCiphers = {
  name: 'noble',
  sealFrame(frame, key, nonce, associatedData) {
    chacha20poly1305(key, nonce, associatedData).encrypt(frame.subarray(0, -FRAME_TAG_SIZE_BYTES), frame)
  },
  openFrame(frame, key, nonce, associatedData) {
    if (frame.length < FRAME_TAG_SIZE_BYTES) return false
    try {
      chacha20poly1305(key, nonce, associatedData).decrypt(frame, frame.subarray(0, -FRAME_TAG_SIZE_BYTES))
      return true
    } catch {
      return false // the tag is wrong; lengths are right, so that nothing else can be
    }
  },
  keystream: (key, offset) => new PortableKeystream(key, offset)
}

class PortableKeystream implements Keystream {
  readonly #key: Uint8Array
  #offset: number

  constructor(key: Uint8Array, offset: number) {
    this.#key = key
    this.#offset = offset
  }

  xor(bytes: Uint8Array, into: Uint8Array = bytes): void {
    const start = this.#offset % KEYSTREAM_BLOCK_SIZE_BYTES
    const head = start === 0 ? 0 : Math.min(bytes.length, KEYSTREAM_BLOCK_SIZE_BYTES - start)
    const block = (this.#offset - start) / KEYSTREAM_BLOCK_SIZE_BYTES
    if (head > 0) {
      const stream = new Uint8Array(KEYSTREAM_BLOCK_SIZE_BYTES)
      chacha20(this.#key, NO_NONCE, stream, stream, block)
      for (let i = 0; i < head; i++) into[i] = bytes[i]! ^ stream[start + i]!
    }
    const rest = bytes.subarray(head)
    if (rest.length > 0) {
      chacha20(this.#key, NO_NONCE, rest, into.subarray(head, bytes.length), head > 0 ? block + 1 : block)
    }
    this.#offset += bytes.length
  }
}
