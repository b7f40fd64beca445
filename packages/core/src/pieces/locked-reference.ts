/**
 * References that can lie around: locked under a passphrase, or for people with an age key, as an armored age file.
 *
 * Whoever has `age` and the passphrase or key opens them without us. Keep one of an account's references so, or share one
 * with somebody over a channel that others read. Locking does not take back what was shared before.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { base64 } from '@scure/base'
import { CoreError } from '../error.ts'
import {
  AGE_CONTENT_SIZE_BYTES_MAX,
  AGE_RECIPIENTS_MAX,
  decodeAgeFile,
  encodeAgeFile,
  openAgeFile
} from './age-file.ts'
import {
  decodeAgeKey,
  FILE_KEY_SIZE_BYTES,
  passphraseTerms,
  type Stanza,
  unwrapByIdentity,
  unwrapByPassphrase,
  WORK_FACTOR_DEFAULT,
  WORK_FACTOR_MAX,
  wrapByPassphrase,
  wrapForRecipient
} from './age-stanzas.ts'

/** Who opens it: whoever knows the passphrase, or the owners of 1 to 32 keys `age1…`. */
export type ReferenceLock =
  | {
      readonly passphrase: string
      /** Bits of scrypt's cost, default 17; lower for tests only. */
      readonly workFactor?: number
    }
  | { readonly recipients: readonly string[] }

export type ReferenceKey = { readonly passphrase: string } | { readonly identity: string }

export type UnlockVerdict =
  | { readonly ok: true; readonly text: string }
  | {
      readonly ok: false
      readonly reason:
        | 'not an age file'
        /** Opening it would take more memory than any honest one. */
        | 'work factor'
        /** Not the passphrase, not one of the recipients, or a changed header. */
        | 'wrong key'
        | 'damaged'
        /** `AGE-SECRET-KEY-1…` is misspelled. */
        | 'identity'
    }

const BEGIN = '-----BEGIN AGE ENCRYPTED FILE-----'
const END = '-----END AGE ENCRYPTED FILE-----'

/** Armor of a chunk and a header of as many recipients as are written. */
const ARMORED_LENGTH_MAX = 2 * AGE_CONTENT_SIZE_BYTES_MAX

/**
 * @param text - one reference or several, a line each
 * @throws {CoreError} `RECIPIENT_INVALID`
 * @throws {RangeError} for more text or recipients than an age file of one chunk takes
 */
export async function lockReference(
  text: string,
  lock: ReferenceLock,
  { random, signal }: { readonly random: (sizeBytes: number) => Uint8Array; readonly signal?: AbortSignal }
): Promise<string> {
  signal?.throwIfAborted()
  const fileKey = random(FILE_KEY_SIZE_BYTES)
  let stanzas: Stanza[]
  if ('passphrase' in lock) {
    const { passphrase, workFactor = WORK_FACTOR_DEFAULT } = lock
    stanzas = [await wrapByPassphrase(fileKey, passphrase, { salt: random(16), workFactor, signal })]
  } else {
    if (lock.recipients.length < 1 || lock.recipients.length > AGE_RECIPIENTS_MAX) {
      throw new RangeError(
        `a reference is locked for 1 to ${AGE_RECIPIENTS_MAX} recipients, got ${lock.recipients.length}`
      )
    }
    stanzas = lock.recipients.map(recipient => wrapForRecipient(fileKey, recipientOf(recipient), random(32)))
  }
  return armor(encodeAgeFile(utf8ToBytes(text), stanzas, { fileKey, nonce: random(16) }))
}

/** Never throws on foreign text; an abort throws the signal's reason. */
export async function unlockReference(
  armored: string,
  key: ReferenceKey,
  { signal }: { readonly signal?: AbortSignal } = {}
): Promise<UnlockVerdict> {
  signal?.throwIfAborted()
  const bytes = disarm(armored)
  const file = bytes === undefined ? undefined : decodeAgeFile(bytes)
  if (file === undefined) return { ok: false, reason: 'not an age file' }
  const unwrapped = await unwrap(file.stanzas, key, signal)
  if (!unwrapped.ok) return unwrapped
  const content = openAgeFile(file, unwrapped.fileKey)
  const text = content === undefined ? undefined : decodeText(content)
  return text === undefined ? { ok: false, reason: 'damaged' } : { ok: true, text }
}

type Unwrapped = { readonly ok: true; readonly fileKey: Uint8Array } | Extract<UnlockVerdict, { ok: false }>

async function unwrap(stanzas: readonly Stanza[], key: ReferenceKey, signal?: AbortSignal): Promise<Unwrapped> {
  if ('passphrase' in key) {
    const [stanza] = stanzas
    const terms = stanza === undefined || stanzas.length > 1 ? undefined : passphraseTerms(stanza)
    if (terms === undefined) return { ok: false, reason: 'wrong key' }
    if (terms.workFactor > WORK_FACTOR_MAX) return { ok: false, reason: 'work factor' }
    return unwrappedOf(await unwrapByPassphrase(stanza!, key.passphrase, { ...terms, signal }))
  }
  const identity = decodeAgeKey('age-secret-key-', key.identity)
  if (identity === undefined) return { ok: false, reason: 'identity' }
  for (const stanza of stanzas) {
    const unwrapped = unwrappedOf(unwrapByIdentity(stanza, identity))
    if (unwrapped.ok) return unwrapped
  }
  return { ok: false, reason: 'wrong key' }
}

function unwrappedOf(fileKey: Uint8Array | undefined): Unwrapped {
  return fileKey === undefined ? { ok: false, reason: 'wrong key' } : { ok: true, fileKey }
}

function recipientOf(text: string): Uint8Array {
  const recipient = decodeAgeKey('age', text)
  if (recipient !== undefined) return recipient
  throw new CoreError('RECIPIENT_INVALID', `${text.slice(0, 100)} is no key for age: these begin with age1`, {
    recipient: text
  })
}

function armor(bytes: Uint8Array): string {
  const lines = base64.encode(bytes).match(/.{1,64}/g) ?? []
  return [BEGIN, ...lines, END, ''].join('\n')
}

function disarm(armored: string): Uint8Array | undefined {
  if (armored.length > ARMORED_LENGTH_MAX) return undefined
  const lines = armored.trim().replaceAll('\r\n', '\n').split('\n')
  if (lines.shift() !== BEGIN || lines.pop() !== END) return undefined
  if (lines.some((line, index) => line.length !== 64 && (index < lines.length - 1 || line.length === 0)))
    return undefined
  try {
    return base64.decode(lines.join(''))
  } catch {
    return undefined // somebody's text
  }
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined // authentic, but no text
  }
}
