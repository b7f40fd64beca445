/** How an age file's key is wrapped: under a passphrase (scrypt), or for the owner of an X25519 key. */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { base64nopad, bech32 } from '@scure/base'

/** One recipient's line of a header and the bytes under it. */
export interface Stanza {
  readonly words: readonly string[]
  readonly body: Uint8Array
}

export const FILE_KEY_SIZE_BYTES = 16

/** Bits of scrypt's cost that are written: 128 MiB, about a second. */
export const WORK_FACTOR_DEFAULT = 17

/** Bits of scrypt's cost that are accepted: what `age` writes, 256 MiB. More would be an attack on memory. */
export const WORK_FACTOR_MAX = 18

const KEY_SIZE_BYTES = 32
const SALT_SIZE_BYTES = 16
const NO_NONCE = new Uint8Array(12)
const SCRYPT_LABEL = utf8ToBytes('age-encryption.org/v1/scrypt')
const X25519_LABEL = utf8ToBytes('age-encryption.org/v1/X25519')

/** 32 bytes of an `age1…` (a recipient) or `AGE-SECRET-KEY-1…` (an identity), or `undefined` for other text. */
export function decodeAgeKey(kind: 'age' | 'age-secret-key-', text: string): Uint8Array | undefined {
  const spelled = text.trim()
  if (spelled.length > 100 || (kind === 'age' ? spelled.toLowerCase() : spelled.toUpperCase()) !== spelled)
    return undefined
  try {
    const { prefix, bytes } = bech32.decodeToBytes(spelled)
    return prefix.toLowerCase() === kind && bytes.length === KEY_SIZE_BYTES ? bytes : undefined
  } catch {
    return undefined // a slip of the hand
  }
}

/** @param secret - 32 random bytes; made for this file and forgotten */
export function wrapForRecipient(fileKey: Uint8Array, recipient: Uint8Array, secret: Uint8Array): Stanza {
  const share = x25519.getPublicKey(secret)
  const key = x25519Key(x25519.getSharedSecret(secret, recipient), share, recipient)
  return { words: ['X25519', base64nopad.encode(share)], body: chacha20poly1305(key, NO_NONCE).encrypt(fileKey) }
}

export function unwrapByIdentity(stanza: Stanza, identity: Uint8Array): Uint8Array | undefined {
  const share = stanza.words.length === 2 && stanza.words[0] === 'X25519' ? decodeBase64(stanza.words[1]!) : undefined
  if (share?.length !== KEY_SIZE_BYTES) return undefined
  try {
    const shared = x25519.getSharedSecret(identity, share)
    return openKey(stanza.body, x25519Key(shared, share, x25519.getPublicKey(identity)))
  } catch {
    return undefined // a share of small order
  }
}

export async function wrapByPassphrase(
  fileKey: Uint8Array,
  passphrase: string,
  { salt, workFactor, signal }: { salt: Uint8Array; workFactor: number; signal?: AbortSignal | undefined }
): Promise<Stanza> {
  const key = await scryptKey(passphrase, salt, workFactor, signal)
  const words = ['scrypt', base64nopad.encode(salt), String(workFactor)]
  return { words, body: chacha20poly1305(key, NO_NONCE).encrypt(fileKey) }
}

/** How hard a passphrase stanza is to open, in bits, and its salt; `undefined` for a stanza that is none. */
export function passphraseTerms(
  stanza: Stanza
): { readonly salt: Uint8Array; readonly workFactor: number } | undefined {
  const [kind, salt = '', workFactor = ''] = stanza.words
  const bytes = decodeBase64(salt)
  if (kind !== 'scrypt' || stanza.words.length !== 3 || bytes?.length !== SALT_SIZE_BYTES) return undefined
  return /^[1-9][0-9]?$/.test(workFactor) ? { salt: bytes, workFactor: Number.parseInt(workFactor, 10) } : undefined
}

export async function unwrapByPassphrase(
  stanza: Stanza,
  passphrase: string,
  { salt, workFactor, signal }: { salt: Uint8Array; workFactor: number; signal?: AbortSignal | undefined }
): Promise<Uint8Array | undefined> {
  return openKey(stanza.body, await scryptKey(passphrase, salt, workFactor, signal))
}

function scryptKey(
  passphrase: string,
  salt: Uint8Array,
  workFactor: number,
  signal?: AbortSignal
): Promise<Uint8Array> {
  return scryptAsync(passphrase, concatBytes(SCRYPT_LABEL, salt), {
    N: 2 ** workFactor,
    r: 8,
    p: 1,
    dkLen: KEY_SIZE_BYTES,
    onProgress: () => signal?.throwIfAborted()
  })
}

function x25519Key(shared: Uint8Array, share: Uint8Array, recipient: Uint8Array): Uint8Array {
  return hkdf(sha256, shared, concatBytes(share, recipient), X25519_LABEL, KEY_SIZE_BYTES)
}

function openKey(body: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  if (body.length !== FILE_KEY_SIZE_BYTES + 16) return undefined
  try {
    return chacha20poly1305(key, NO_NONCE).decrypt(body)
  } catch {
    return undefined // another key
  }
}

export function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return base64nopad.decode(text)
  } catch {
    return undefined // not base64, or not the only spelling of these bytes
  }
}
