import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { CID } from 'multiformats/cid'
import type { Address } from '../schema.ts'

/** Bytes of the label of a private piece: an address. The label of a public piece is a CID, and longer. */
export const PRIVATE_LABEL_SIZE_BYTES = 20

/** Says whether the label of a piece on the ledger is that of a private one: nobody reads it without permission. */
export function isPrivateLabel(label: Uint8Array): boolean {
  return label.length === PRIVATE_LABEL_SIZE_BYTES
}

/** The label of a private piece from the address of its label key. */
export function labelOfAddress(address: Address): Uint8Array {
  return hexToBytes(address.slice(2))
}

/** The address of the key behind a label, or `undefined` for the label of a public piece. */
export function addressOfLabel(label: Uint8Array): Address | undefined {
  return isPrivateLabel(label) ? `0x${bytesToHex(label)}` : undefined
}

/** The root CID of the public object behind a label; undefined for a private label, and for one that is no CID. */
export function rootOfLabel(label: Uint8Array): CID | undefined {
  if (isPrivateLabel(label)) return undefined
  try {
    return CID.decode(label)
  } catch {
    return undefined
  }
}
