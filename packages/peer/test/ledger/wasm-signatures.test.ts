import { fc, it as property } from '@fast-check/vitest'
import {
  createBeaconOfOne,
  createSigner,
  deriveBeaconKey,
  portableSignatureVerifier,
  verifyBeaconSignature
} from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLIENT, PROVIDER } from '../../../core/test/ledger/network-fixture.ts'
import { createSignaturePool, type SignaturePool } from '../../src/ledger/signature-pool.ts'
import { createWasmSigner, wasmSignatureVerifier } from '../../src/ledger/wasm-signatures.ts'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const FIELD = 2n ** 256n - 2n ** 32n - 977n

const digests = fc.uint8Array({ minLength: 32, maxLength: 32 })
/** Scalars where implementations differ, if they do: around zero, half the order, the order and the field. */
const scalars = fc
  .oneof(
    fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
    fc.constantFrom(
      0n,
      1n,
      2n,
      ORDER / 2n - 1n,
      ORDER / 2n,
      ORDER / 2n + 1n,
      ORDER - 1n,
      ORDER,
      ORDER + 1n,
      FIELD - ORDER,
      FIELD,
      2n ** 256n - 1n
    )
  )
  .map(scalar => Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex'))
const madeUp = fc
  .tuple(scalars, scalars, fc.oneof(fc.constantFrom(26, 27, 28, 29, 0, 1), fc.nat({ max: 255 })))
  .map(([r, s, v]) => Uint8Array.of(...r, ...s, v))
const signatures = fc.oneof(madeUp, fc.uint8Array({ minLength: 65, maxLength: 65 }), fc.uint8Array({ maxLength: 70 }))

const both = (digest: Uint8Array, signature: Uint8Array) =>
  [wasmSignatureVerifier, portableSignatureVerifier].map(verifier => verifier.recover(digest, signature))

describe('bitcoin-core’s implementation agrees with noble’s', () => {
  property.prop([digests])('on true signatures', digest => {
    const signature = CLIENT.sign(digest)
    expect(both(digest, signature)).toEqual([CLIENT.address, CLIENT.address])
  })

  property.prop([digests, signatures], { numRuns: 500 })('on made-up ones', (digest, signature) => {
    const [wasm, portable] = both(digest, signature)
    expect(wasm).toBe(portable)
  })

  property.prop([
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    fc.nat({ max: 64 }),
    fc.integer({ min: 1, max: 255 })
  ])('on true ones with a byte changed', (digest, index, change) => {
    const signature = CLIENT.sign(digest)
    signature[index]! ^= change
    const [wasm, portable] = both(digest, signature)
    expect(wasm).toBe(portable)
  })

  property.prop([digests])('that the other spelling of a signature is none', digest => {
    const signature = Buffer.from(CLIENT.sign(digest))
    const s = ORDER - BigInt(`0x${signature.toString('hex', 32, 64)}`)
    const other = Uint8Array.of(
      ...signature.subarray(0, 32),
      ...Buffer.from(s.toString(16).padStart(64, '0'), 'hex'),
      signature[64] === 27 ? 28 : 27
    )
    expect(both(digest, other)).toEqual([undefined, undefined])
  })
})

describe('a pool', () => {
  const errors: unknown[] = []
  let pool: SignaturePool
  beforeEach(() => {
    pool = createSignaturePool({ onError: error => errors.push(error) })
  })
  afterEach(async () => {
    await pool[Symbol.asyncDispose]()
    expect(errors.splice(0)).toEqual([])
  })

  it('answers as the verifier does, for what was prefetched and for what was not', async () => {
    const signed = Array.from({ length: 200 }, (_, index) => {
      const digest = new Uint8Array(32).fill(index)
      const signature = (index % 2 === 0 ? CLIENT : PROVIDER).sign(digest)
      if (index % 5 === 0) signature[10]! ^= 1
      return { digest, signature }
    })
    const expected = signed.map(({ digest, signature }) => portableSignatureVerifier.recover(digest, signature))
    await pool.prefetch(signed.slice(0, 150))
    for (const round of [1, 2])
      expect(
        signed.map(({ digest, signature }) => pool.verifier.recover(digest, signature)),
        `asked for the ${round}. time`
      ).toEqual(expected)
  })

  it('checks a beacon’s signature beside the others, and believes no bad one', async () => {
    const beacon = createBeaconOfOne(deriveBeaconKey(new Uint8Array(48).fill(7)))
    const signature = await beacon.signatureOf(5)
    const digest = new Uint8Array(32).fill(2)
    const asked = [
      pool.prefetchBeacon(beacon.publicKey, 5, signature),
      pool.prefetchBeacon(beacon.publicKey, 6, signature)
    ]
    await pool.prefetch([{ digest, signature: CLIENT.sign(digest) }])
    await Promise.all(asked)
    expect([5, 6].map(round => verifyBeaconSignature(beacon.publicKey, round, signature))).toEqual([true, false])
  })

  it('that is closed while it works lets nobody wait, and goes on answering', async () => {
    const digest = new Uint8Array(32).fill(1)
    const signature = CLIENT.sign(digest)
    const prefetched = pool.prefetch(Array.from({ length: 500 }, () => ({ digest, signature })))
    const beacons = pool.prefetchBeacon(new Uint8Array(96), 1, new Uint8Array(48))
    await pool[Symbol.asyncDispose]()
    await Promise.all([prefetched, beacons])
    await pool.prefetch([{ digest, signature }])
    expect(pool.verifier.recover(digest, signature)).toBe(CLIENT.address)
  })
})

describe('bitcoin-core’s signer', () => {
  const keys = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .filter(bytes => bytes.some(byte => byte !== 0) && bytes[0] !== 0xff)

  property.prop([keys, digests], { numRuns: 50 })('signs as noble’s does, byte for byte', (key, digest) => {
    const [fast, portable] = [createWasmSigner(key), createSigner(key)]
    expect(fast.address).toBe(portable.address)
    expect(fast.sign(digest)).toEqual(portable.sign(digest))
  })
})
