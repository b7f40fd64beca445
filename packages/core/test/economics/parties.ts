/**
 * Parties of the simulation: addresses that follow from names, and signatures that bind an address to a digest.
 *
 * Anybody could forge them and nobody does: they cost nothing, so that thousands of rounds are affordable, and the ledger
 * still refuses what the wrong party signed.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { SIGNATURE_SIZE_BYTES, type SignatureVerifier, type Signer } from '../../src/identity.ts'

export interface Party extends Signer {
  readonly name: string
}

const ADDRESS_SIZE_BYTES = 20
const parties = new Map<string, Party>()

/** The party of a name: the same one in every run. */
export function partyOf(name: string): Party {
  const known = parties.get(name)
  if (known !== undefined) return known
  const bytes = sha256(utf8ToBytes(`economics party ${name}`)).subarray(0, ADDRESS_SIZE_BYTES)
  const party: Party = {
    name,
    address: `0x${bytesToHex(bytes)}`,
    sign(digest) {
      const signature = new Uint8Array(SIGNATURE_SIZE_BYTES)
      signature.set(bytes)
      signature.set(digest, ADDRESS_SIZE_BYTES)
      return signature
    }
  }
  parties.set(name, party)
  return party
}

export const cheapSignatures: SignatureVerifier = {
  recover(digest, signature) {
    if (signature.length !== SIGNATURE_SIZE_BYTES) return undefined
    for (let index = 0; index < digest.length; index += 1)
      if (signature[ADDRESS_SIZE_BYTES + index] !== digest[index]) return undefined
    return `0x${bytesToHex(signature.subarray(0, ADDRESS_SIZE_BYTES))}`
  }
}
