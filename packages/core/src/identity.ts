/**
 * Who signs: one secp256k1 key a peer gives its account address and its libp2p PeerId, so that a signature on the
 * ledger and an encrypted connection name the same party.
 */
import type { PeerId } from '@libp2p/interface'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import * as OxAddress from 'ox/Address'
import * as PublicKey from 'ox/PublicKey'
import type { Address } from './schema.ts'

/** r ‖ s ‖ v with low s and v 27 or 28, as Ethereum's ecrecover takes it. */
export const SIGNATURE_SIZE_BYTES = 65

const RECOVERY_OFFSET = 27

/** Signs digests with one key. The key itself stays inside. */
export interface Signer {
  readonly address: Address
  /** @returns r ‖ s ‖ v over the 32-byte digest */
  sign(digest: Uint8Array): Uint8Array
}

/** Recovers signers; behind an interface because a ledger host uses a faster implementation in its workers. */
export interface SignatureVerifier {
  /** @returns the address that signed the digest, or undefined when these bytes are no signature at all */
  recover(digest: Uint8Array, signature: Uint8Array): Address | undefined
}

/** @param privateKey - 32 bytes; kept by reference, not copied */
export function createSigner(privateKey: Uint8Array): Signer {
  return {
    address: addressOfPublicKey(secp256k1.getPublicKey(privateKey, false)),
    sign(digest) {
      const [recovery, ...compact] = secp256k1.sign(digest, privateKey, { prehash: false, format: 'recovered' })
      return Uint8Array.of(...compact, RECOVERY_OFFSET + recovery!)
    }
  }
}

/** Verification by @noble/curves: runs everywhere, some 500 a second. */
export const portableSignatureVerifier: SignatureVerifier = {
  recover(digest, signature) {
    const recovery = (signature[SIGNATURE_SIZE_BYTES - 1] ?? 0) - RECOVERY_OFFSET
    if (signature.length !== SIGNATURE_SIZE_BYTES || (recovery !== 0 && recovery !== 1)) return undefined
    try {
      const parsed = secp256k1.Signature.fromBytes(signature.subarray(0, -1), 'compact').addRecoveryBit(recovery)
      if (parsed.hasHighS()) return undefined
      return addressOfPublicKey(parsed.recoverPublicKey(digest).toBytes(false))
    } catch {
      return undefined // a stranger's bytes that are no curve point
    }
  }
}

/** @returns the account of a peer, or undefined for a peer whose key is not secp256k1 and who can hold none */
export function addressOfPeer(peer: PeerId): Address | undefined {
  if (peer.type !== 'secp256k1') return undefined
  return addressOfPublicKey(secp256k1.Point.fromBytes(peer.publicKey.raw).toBytes(false))
}

/** @param publicKey - 65 bytes, uncompressed */
function addressOfPublicKey(publicKey: Uint8Array): Address {
  return OxAddress.fromPublicKey(PublicKey.from(publicKey)).toLowerCase() as Address
}
