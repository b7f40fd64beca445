/** The ciphers of private pieces by Node's OpenSSL: about ten times what noble does, and the same bytes. */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { FRAME_TAG_SIZE_BYTES, type PieceCiphers } from '@holdfast/core'
import { createKeystream, moveInto } from './keystream.ts'

const AEAD = 'chacha20-poly1305'
const TAG = { authTagLength: FRAME_TAG_SIZE_BYTES }

/** OpenSSL gives its result in a buffer of its own; it is copied back, so that callers reuse theirs. */
export const nodePieceCiphers: PieceCiphers = {
  name: 'node',
  sealFrame(frame, key, nonce, associatedData) {
    const content = frame.subarray(0, -FRAME_TAG_SIZE_BYTES)
    const cipher = createCipheriv(AEAD, keyObjectOf(key), nonce, TAG)
    cipher.setAAD(associatedData, { plaintextLength: content.length })
    moveInto(content, cipher.update(content))
    cipher.final()
    frame.set(cipher.getAuthTag(), content.length)
  },
  openFrame(frame, key, nonce, associatedData) {
    if (frame.length < FRAME_TAG_SIZE_BYTES) return false
    const content = frame.subarray(0, -FRAME_TAG_SIZE_BYTES)
    const decipher = createDecipheriv(AEAD, keyObjectOf(key), nonce, TAG)
    decipher.setAAD(associatedData, { plaintextLength: content.length })
    decipher.setAuthTag(frame.subarray(-FRAME_TAG_SIZE_BYTES))
    const opened = decipher.update(content)
    try {
      decipher.final()
    } catch {
      return false // the tag is wrong: `opened` is not handed on
    }
    moveInto(content, opened)
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
