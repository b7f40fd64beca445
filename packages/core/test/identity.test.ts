import { generateKeyPairFromSeed, privateKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressOfPeer, createSigner, portableSignatureVerifier } from '../src/identity.ts'

const keyOf = (last: number) => new Uint8Array(32).with(31, last)
const DIGEST = keccak_256(utf8ToBytes('something'))

describe('addresses', () => {
  it.each([
    [1, '0x7e5f4552091a69125d5dfcb7b8c2659029395bdf'],
    [2, '0x2b5ad5c4795c026514f8317c7a215e218dccd6cf']
  ])('are Ethereum’s: key %i', (key, address) => {
    expect(createSigner(keyOf(key)).address).toBe(address)
  })

  it('of a peer and of its signer are one', () => {
    const raw = keyOf(7)
    const peer = peerIdFromPrivateKey(privateKeyFromRaw(raw))
    expect(peer.type).toBe('secp256k1')
    expect(addressOfPeer(peer)).toBe(createSigner(raw).address)
  })

  it('are not there for peers with keys of another kind', async () => {
    const peer = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', new Uint8Array(32)))
    expect(addressOfPeer(peer)).toBeUndefined()
  })
})

describe('signatures', () => {
  const signer = createSigner(keyOf(1))
  const { recover } = portableSignatureVerifier

  it('name their signer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), digest => {
        const signature = signer.sign(digest)
        expect(signature).toHaveLength(65)
        expect(recover(digest, signature)).toBe(signer.address)
      }),
      { numRuns: 30 }
    )
  })

  it('name another one, or nobody, when a byte differs', () => {
    const signature = signer.sign(DIGEST)
    for (let index = 0; index < 65; index += 8) {
      const wrong = signature.map((byte, i) => (i === index ? byte ^ 1 : byte))
      expect(recover(DIGEST, wrong)).not.toBe(signer.address)
    }
    expect(recover(keccak_256(DIGEST), signature)).not.toBe(signer.address)
  })

  it('with a high s are refused, so that nobody makes a second signature of a first', () => {
    const signature = signer.sign(DIGEST)
    const s = BigInt(`0x${bytesToHex(signature.subarray(32, 64))}`)
    const high = secp256k1.Point.Fn.toBytes(secp256k1.Point.Fn.ORDER - s)
    const twin = Uint8Array.of(...signature.subarray(0, 32), ...high, signature[64] === 27 ? 28 : 27)
    expect(recover(DIGEST, twin)).toBeUndefined()
  })

  it('have v 27 or 28 and 65 bytes', () => {
    const signature = signer.sign(DIGEST)
    expect([27, 28]).toContain(signature[64])
    for (const v of [0, 1, 26, 29, 35, 255]) expect(recover(DIGEST, signature.with(64, v))).toBeUndefined()
    expect(recover(DIGEST, signature.subarray(0, 64))).toBeUndefined()
    expect(recover(DIGEST, Uint8Array.of(...signature, 0))).toBeUndefined()
  })

  it('never throw on foreign bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 60, maxLength: 70 }), bytes => {
        const recovered = recover(DIGEST, bytes)
        expect(recovered === undefined || recovered !== signer.address).toBe(true)
        expect(recover(DIGEST, new Uint8Array(65).with(64, 27))).toBeUndefined()
      }),
      { numRuns: 100 }
    )
  })
})
