/**
 * The public randomness of a round, in drand's format: an unchained BLS signature on G1 over SHA-256 of the round.
 *
 * One verification path serves two sources: the League of Entropy's chain, and the ledger host's own key (a *beacon of
 * one*). A BLS signature is unique, so that a host cannot choose among several, but with its own key it can foresee
 * every challenge.
 *
 * @see https://docs.drand.love scheme bls-unchained-g1-rfc9380
 */
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

/** RFC 9380 domain of the scheme. */
const DOMAIN = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_'
export const BEACON_SIGNATURE_SIZE_BYTES = 48
export const BEACON_PUBLIC_KEY_SIZE_BYTES = 96

const scheme = bls12_381.shortSignatures

/** Where a peer gets the signature of a beacon round. */
export interface Beacon {
  /** @returns 48 bytes once the round exists; rejects when the source does not have it */
  signatureOf(beaconRound: number, options?: { readonly signal?: AbortSignal }): Promise<Uint8Array>
  /** The newest round there is, of a beacon that keeps a clock of its own; rejects when the source does not answer. */
  newestRound?(options?: { readonly signal?: AbortSignal }): Promise<number>
}

function messageOf(beaconRound: number) {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(beaconRound))
  return scheme.hash(sha256(bytes), DOMAIN)
}

/**
 * Signatures that were found good, the newest last. Whoever fetches one checks it, and then the machine does; a check takes
 * tens of milliseconds of the thread that takes commands.
 */
const verified = new Set<string>()
const VERIFIED_MAX = 256

function claimOf(publicKey: Uint8Array, beaconRound: number, signature: Uint8Array): string {
  return `${bytesToHex(publicKey)}/${beaconRound}/${bytesToHex(signature)}`
}

/** Says whether the signature is the one that the key makes for this round; never throws on foreign bytes. */
export function verifyBeaconSignature(publicKey: Uint8Array, beaconRound: number, signature: Uint8Array): boolean {
  if (signature.length !== BEACON_SIGNATURE_SIZE_BYTES || publicKey.length !== BEACON_PUBLIC_KEY_SIZE_BYTES)
    return false
  if (verified.has(claimOf(publicKey, beaconRound, signature))) return true
  try {
    if (!scheme.verify(signature, messageOf(beaconRound), publicKey)) return false
  } catch {
    return false // not a point of the curve
  }
  rememberBeaconSignature(publicKey, beaconRound, signature)
  return true
}

/** Spares this thread a check that `verifyBeaconSignature` has passed on another thread of the same program. */
export function rememberBeaconSignature(publicKey: Uint8Array, beaconRound: number, signature: Uint8Array): void {
  for (const oldest of verified) {
    if (verified.size < VERIFIED_MAX) break
    verified.delete(oldest)
  }
  verified.add(claimOf(publicKey, beaconRound, signature))
}

/** The randomness of a round, 32 bytes: SHA-256 of its signature. Every draw of the round derives from it. */
export function seedOf(signature: Uint8Array): Uint8Array {
  return sha256(signature)
}

/** A beacon whose one key is at hand: for a devnet, for a group that trusts its host, and (seeded) for simulation. */
export function createBeaconOfOne(secretKey: Uint8Array): Beacon & { readonly publicKey: Uint8Array } {
  return {
    publicKey: scheme.getPublicKey(secretKey).toBytes(),
    async signatureOf(beaconRound) {
      return scheme.sign(messageOf(beaconRound), secretKey).toBytes()
    }
  }
}

/** @param seed - exactly 48 bytes of key material; the same seed, the same key */
export function deriveBeaconKey(seed: Uint8Array): Uint8Array {
  return scheme.keygen(seed).secretKey
}
