/** Bytes as text that people copy: a prefix, base32, and a checksum over both. */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { base32 } from 'multiformats/bases/base32'

/** Finds any slip of the hand but one in four thousand million. */
const CHECKSUM_SIZE_BYTES = 4

export function formatChecked(prefix: string, payload: Uint8Array): string {
  return prefix + base32.baseEncode(concatBytes(payload, checksumOf(prefix, payload)))
}

export type CheckedTextVerdict =
  | { readonly ok: true; readonly payload: Uint8Array }
  | { readonly ok: false; readonly reason: 'prefix' | 'characters' | 'checksum' }

/** Takes upper case and space around it. `payloadSizeMax` bounds what is decoded at all. */
export function parseChecked(prefix: string, text: string, payloadSizeMax: number): CheckedTextVerdict {
  const lengthMax = prefix.length + Math.ceil(((payloadSizeMax + CHECKSUM_SIZE_BYTES) * 8) / 5)
  const spelled = text.trim().toLowerCase()
  if (!spelled.startsWith(prefix)) return { ok: false, reason: 'prefix' }
  if (spelled.length > lengthMax) return { ok: false, reason: 'checksum' }
  if (!/^[a-z2-7]*$/.test(spelled.slice(prefix.length))) return { ok: false, reason: 'characters' }
  const bytes = decodeBase32(spelled.slice(prefix.length))
  if (bytes === undefined) return { ok: false, reason: 'checksum' }
  const payload = bytes.subarray(0, -CHECKSUM_SIZE_BYTES)
  // Spelled again, because base32 has several texts for some bytes.
  return formatChecked(prefix, payload) === spelled ? { ok: true, payload } : { ok: false, reason: 'checksum' }
}

function checksumOf(prefix: string, payload: Uint8Array): Uint8Array {
  return sha256(concatBytes(utf8ToBytes(`holdfast/text/${prefix}`), payload)).subarray(0, CHECKSUM_SIZE_BYTES)
}

function decodeBase32(text: string): Uint8Array | undefined {
  try {
    return base32.baseDecode(text)
  } catch {
    return undefined // a length that no bytes have
  }
}
