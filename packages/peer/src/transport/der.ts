/**
 * The few forms of ASN.1 DER (X.690) that a libp2p certificate needs: elements with a tag of one byte and a length of up
 * to four. Knows nothing of what the elements mean.
 */

/** Tags, with the bit for constructed forms. */
export const DER = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  /** `[0] EXPLICIT`: the version of a certificate */
  context0: 0xa0,
  /** `[3] EXPLICIT`: the extensions of a certificate */
  context3: 0xa3
} as const

export interface DerElement {
  readonly tag: number
  /** A view of the bytes that were parsed. */
  readonly contents: Uint8Array
}

/** @param contents - of the element, to be joined */
export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const size = contents.reduce((sum, part) => sum + part.length, 0)
  const length: number[] = []
  if (size < 0x80) length.push(size)
  else {
    for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) length.unshift(rest % 256)
    length.unshift(0x80 + length.length)
  }
  const bytes = new Uint8Array(1 + length.length + size)
  bytes.set([tag, ...length])
  let offset = 1 + length.length
  for (const part of contents) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

/** @returns the elements that `bytes` consists of, or `undefined` when it does not consist of whole elements */
export function parseDer(bytes: Uint8Array): DerElement[] | undefined {
  const elements: DerElement[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const tag = bytes[offset]!
    const first = bytes[offset + 1]
    if (first === undefined) return undefined
    const lengthSize = first < 0x80 ? 0 : first - 0x80
    const start = offset + 2 + lengthSize
    if (lengthSize > 4 || start > bytes.length || first === 0x80) return undefined
    const length =
      lengthSize === 0 ? first : bytes.subarray(offset + 2, start).reduce((sum, byte) => sum * 256 + byte, 0)
    if (start + length > bytes.length) return undefined
    elements.push({ tag, contents: bytes.subarray(start, start + length) })
    offset = start + length
  }
  return elements
}

/** @returns the elements inside an element of that tag, or `undefined` when it is none */
export function openDer(element: DerElement | undefined, tag: number): DerElement[] | undefined {
  return element?.tag === tag ? parseDer(element.contents) : undefined
}
