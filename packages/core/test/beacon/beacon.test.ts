import { readFile } from 'node:fs/promises'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBeaconOfOne, deriveBeaconKey, seedOf, verifyBeaconSignature } from '../../src/beacon/beacon.ts'

interface Chain {
  readonly name: string
  readonly publicKey: string
  readonly rounds: readonly { readonly round: number; readonly signature: string; readonly randomness: string }[]
}
const vectors = JSON.parse(await readFile(new URL('../vectors/drand-quicknet.json', import.meta.url), 'utf8'))
const chains: readonly Chain[] = vectors.chains

describe.each(chains)('rounds of drand: $name', ({ publicKey, rounds }) => {
  const key = hexToBytes(publicKey)
  const { round, randomness, ...rest } = rounds[0]!
  const signature = hexToBytes(rest.signature)

  it('verify, and give the published randomness', () => {
    expect(verifyBeaconSignature(key, round, signature)).toBe(true)
    expect(bytesToHex(seedOf(signature))).toBe(randomness)
  })

  it('do not verify for another round, with another key, or with another signature', () => {
    const otherKey = hexToBytes(chains.find(chain => chain.publicKey !== publicKey)!.publicKey)
    expect(verifyBeaconSignature(key, round + 1, signature)).toBe(false)
    expect(verifyBeaconSignature(otherKey, round, signature)).toBe(false)
    expect(
      verifyBeaconSignature(
        key,
        round,
        signature.map((byte, i) => (i === 47 ? byte ^ 1 : byte))
      )
    ).toBe(false)
  })
})

describe('a beacon of one', () => {
  const beacon = createBeaconOfOne(deriveBeaconKey(new Uint8Array(48).fill(1)))

  it('is verified as drand’s are, and signs a round in one way only', async () => {
    const signature = await beacon.signatureOf(5)
    expect(verifyBeaconSignature(beacon.publicKey, 5, signature)).toBe(true)
    expect(await beacon.signatureOf(5)).toEqual(signature)
    expect(await beacon.signatureOf(6)).not.toEqual(signature)
  })

  it('has the key of its seed', () => {
    expect(deriveBeaconKey(new Uint8Array(48).fill(1))).toEqual(deriveBeaconKey(new Uint8Array(48).fill(1)))
    expect(deriveBeaconKey(new Uint8Array(48).fill(1))).not.toEqual(deriveBeaconKey(new Uint8Array(48).fill(2)))
    expect(() => deriveBeaconKey(new Uint8Array(47))).toThrow(RangeError)
  })
})

it('never throws on foreign bytes', () => {
  const { publicKey } = createBeaconOfOne(deriveBeaconKey(new Uint8Array(48).fill(1)))
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  fc.assert(
    fc.property(fc.oneof(bytes(48), fc.uint8Array({ maxLength: 100 })), signature => {
      expect(verifyBeaconSignature(publicKey, 1, signature)).toBe(false)
    }),
    { numRuns: 50 }
  )
  fc.assert(
    fc.property(bytes(96), key => {
      expect(verifyBeaconSignature(key, 1, new Uint8Array(48))).toBe(false)
    }),
    { numRuns: 20 }
  )
})
