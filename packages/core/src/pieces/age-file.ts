/**
 * Age files, version 1, of one chunk: what `age` and every other program for this format read and write.
 *
 * Only the format is ours here; hashes, ciphers and curves are noble's.
 *
 * @see https://github.com/C2SP/C2SP/blob/main/age.md
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { base64nopad } from '@scure/base'
import { decodeBase64, type Stanza } from './age-stanzas.ts'

/** One chunk of an age file. */
export const AGE_CONTENT_SIZE_BYTES_MAX = 64 * 1024

/** Stanzas of one file. */
export const AGE_RECIPIENTS_MAX = 32

const VERSION = 'age-encryption.org/v1'
const PAYLOAD_NONCE_SIZE_BYTES = 16
const LINE_LENGTH = 64
/** Chunk number 0, and the last. */
const ONLY_CHUNK = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)

export interface AgeFile {
  readonly stanzas: readonly Stanza[]
  /** The header up to its authentication code. */
  readonly header: Uint8Array
  readonly mac: Uint8Array
  readonly payload: Uint8Array
}

/** @param nonce - 16 random bytes */
export function encodeAgeFile(
  content: Uint8Array,
  stanzas: readonly Stanza[],
  { fileKey, nonce }: { readonly fileKey: Uint8Array; readonly nonce: Uint8Array }
): Uint8Array {
  if (content.length > AGE_CONTENT_SIZE_BYTES_MAX || stanzas.length > AGE_RECIPIENTS_MAX) {
    throw new RangeError(
      `${AGE_CONTENT_SIZE_BYTES_MAX} bytes for ${AGE_RECIPIENTS_MAX} at most, got ${content.length} for ${stanzas.length}`
    )
  }
  const header = utf8ToBytes(`${VERSION}\n${stanzas.map(formatStanza).join('')}---`)
  const mac = utf8ToBytes(` ${base64nopad.encode(macOf(header, fileKey))}\n`)
  const sealed = chacha20poly1305(payloadKey(fileKey, nonce), ONLY_CHUNK).encrypt(content)
  return concatBytes(header, mac, nonce, sealed)
}

/** Reads the header; `undefined` for bytes that are no age file of one chunk. Checks nothing that needs a key. */
export function decodeAgeFile(bytes: Uint8Array): AgeFile | undefined {
  const text = new TextDecoder('latin1').decode(bytes)
  const parts = /^age-encryption\.org\/v1\n((?:->[ -~]+\n(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)+)---/.exec(text)
  if (parts === null) return undefined
  const macLine = /^ ([A-Za-z0-9+/]{43})\n/.exec(text.slice(parts[0].length, parts[0].length + 45))
  const mac = macLine === null ? undefined : decodeBase64(macLine[1]!)
  const stanzas = parseStanzas(parts[1]!)
  if (mac === undefined || stanzas === undefined) return undefined
  const header = bytes.slice(0, parts[0].length)
  const payload = bytes.slice(header.length + macLine![0].length)
  const sealedSize = payload.length - PAYLOAD_NONCE_SIZE_BYTES
  if (sealedSize < 16 || sealedSize > AGE_CONTENT_SIZE_BYTES_MAX + 16) return undefined
  return { stanzas, header, mac, payload }
}

/** The content, or `undefined` when this is not the file's key or anything in the file was changed. */
export function openAgeFile({ header, mac, payload }: AgeFile, fileKey: Uint8Array): Uint8Array | undefined {
  const expected = macOf(header, fileKey)
  if (expected.reduce((difference, byte, index) => difference | (byte ^ mac[index]!), 0) !== 0) return undefined
  const nonce = payload.subarray(0, PAYLOAD_NONCE_SIZE_BYTES)
  try {
    return chacha20poly1305(payloadKey(fileKey, nonce), ONLY_CHUNK).decrypt(payload.subarray(nonce.length))
  } catch {
    return undefined // changed behind the header
  }
}

function formatStanza({ words, body }: Stanza): string {
  const text = base64nopad.encode(body)
  const lines: string[] = []
  for (let at = 0; at <= text.length; at += LINE_LENGTH) lines.push(text.slice(at, at + LINE_LENGTH))
  return `-> ${words.join(' ')}\n${lines.join('\n')}\n`
}

function parseStanzas(text: string): Stanza[] | undefined {
  const stanzas: Stanza[] = []
  for (const [, line, lines] of text.matchAll(/-> ([^\n]+)\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)/g)) {
    const body = decodeBase64(lines!.replaceAll('\n', ''))
    const words = line!.split(' ')
    if (body === undefined || words.includes('') || stanzas.length === AGE_RECIPIENTS_MAX) return undefined
    stanzas.push({ words, body })
  }
  return stanzas
}

function macOf(header: Uint8Array, fileKey: Uint8Array): Uint8Array {
  return hmac(sha256, hkdf(sha256, fileKey, undefined, utf8ToBytes('header'), 32), header)
}

function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return hkdf(sha256, fileKey, nonce, utf8ToBytes('payload'), 32)
}
