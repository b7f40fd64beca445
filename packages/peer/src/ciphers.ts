/** The ciphers of private pieces by Node's OpenSSL: about ten times what noble does, and the same bytes. */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { FRAME_TAG_SIZE_BYTES, type Keystream, type PieceCiphers } from '@holdfast/core'

const AEAD = 'chacha20-poly1305'
const TAG = { authTagLength: FRAME_TAG_SIZE_BYTES }
const KEYSTREAM_BLOCK_SIZE_BYTES = 64

/** OpenSSL gives its result in a buffer of its own; it is copied back, so that callers reuse theirs. */
export const nodePieceCiphers: PieceCiphers = {
  name: 'node',
  sealFrame(frame, key, nonce, associatedData) {
    const content = frame.subarray(0, -FRAME_TAG_SIZE_BYTES)
    const cipher = createCipheriv(AEAD, keyObjectOf(key), nonce, TAG)
    cipher.setAAD(associatedData)
    content.set(cipher.update(content))
    cipher.final()
    frame.set(cipher.getAuthTag(), content.length)
  },
  openFrame(frame, key, nonce, associatedData) {
    if (frame.length < FRAME_TAG_SIZE_BYTES) return false
    const content = frame.subarray(0, -FRAME_TAG_SIZE_BYTES)
    const decipher = createDecipheriv(AEAD, keyObjectOf(key), nonce, TAG)
    decipher.setAAD(associatedData)
    decipher.setAuthTag(frame.subarray(-FRAME_TAG_SIZE_BYTES))
    const opened = decipher.update(content)
    try {
      decipher.final()
    } catch {
      return false // the tag is wrong: `opened` is not handed on
    }
    content.set(opened)
    return true
  },
  keystream: createKeystream
}

/** By the array that holds a key: making one anew for each frame would take a third of the time. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>()

function keyObjectOf(key: Uint8Array): KeyObject {
  const known = keyObjects.get(key) ?? createSecretKey(key)
  keyObjects.set(key, known)
  return known
}

function createKeystream(key: Uint8Array, offset: number): Keystream {
  const into = offset % KEYSTREAM_BLOCK_SIZE_BYTES
  // OpenSSL takes the block's number, 32 bits little-endian, before the nonce of RFC 8439, which is zero here.
  const start = new Uint8Array(16)
  new DataView(start.buffer).setUint32(0, (offset - into) / KEYSTREAM_BLOCK_SIZE_BYTES, true)
  const cipher = createCipheriv('chacha20', key, start)
  if (into > 0) cipher.update(new Uint8Array(into))
  return { xor: (bytes, into = bytes) => into.set(cipher.update(bytes)) }
}
