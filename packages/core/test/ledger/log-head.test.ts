import { decode, encode } from '@ipld/dag-cbor'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeHead,
  encodeHead,
  HEAD_SIZE_BYTES_MAX,
  hashHead,
  headAfter,
  signHead,
  verifyHead
} from '../../src/ledger/log-head.ts'
import { AUTHORITY } from './memory-log.ts'
import { CLIENT, HOST } from './network-fixture.ts'

const { networkId } = AUTHORITY
const root = new Uint8Array(32).fill(9)
const first = headAfter(undefined, { networkId, size: 3, root, timeMs: 1_800_000_000_000 })
const second = headAfter(first, { networkId, size: 5, root, timeMs: 1_800_000_000_001 })
const signed = signHead(second, HOST)
const bytes = encodeHead(signed)

const word = (value: number) => hexToBytes(value.toString(16).padStart(64, '0'))

describe('a log head', () => {
  it('is signed as EIP-712 typed data of the statements’ domain', () => {
    const domain = keccak_256(
      concatBytes(
        keccak_256(utf8ToBytes('EIP712Domain(string name,string version,bytes32 salt)')),
        keccak_256(utf8ToBytes('Holdfast')),
        keccak_256(utf8ToBytes('1')),
        networkId
      )
    )
    const type = 'LogHead(uint64 number,uint64 size,bytes32 root,uint64 timeMs,bytes32 previous)'
    const { number, size, timeMs, previous } = second
    const struct = concatBytes(keccak_256(utf8ToBytes(type)), word(number), word(size), root, word(timeMs), previous)
    expect(hashHead(second)).toEqual(keccak_256(concatBytes(Uint8Array.of(0x19, 1), domain, keccak_256(struct))))
  })

  it('names the head before it by its hash, and begins with zeros', () => {
    expect(first).toMatchObject({ number: 0, previous: new Uint8Array(32) })
    expect(second).toMatchObject({ number: 1, previous: hashHead(first) })
  })

  it('is one head however often it is signed', () => {
    expect(hashHead({ ...signed, signature: new Uint8Array(65) } as typeof signed)).toEqual(hashHead(second))
  })

  it('comes back from its bytes, which fit an envelope whatever its numbers are', () => {
    expect(decodeHead(bytes)).toEqual(signed)
    const largest = {
      ...signed,
      number: Number.MAX_SAFE_INTEGER,
      size: Number.MAX_SAFE_INTEGER,
      timeMs: Number.MAX_SAFE_INTEGER
    }
    expect(encodeHead(largest).length).toBeLessThan(HEAD_SIZE_BYTES_MAX)
    expect(decodeHead(encodeHead(largest))).toEqual(largest)
  })

  it('is believed of the network’s host alone', () => {
    expect(verifyHead(bytes, AUTHORITY)).toEqual({ ok: true, head: signed })
    const reasons = [
      verifyHead(encodeHead(signHead(second, CLIENT)), AUTHORITY),
      verifyHead(bytes, { ...AUTHORITY, networkId: new Uint8Array(32) }),
      verifyHead(encodeHead({ ...signed, size: 6 }), AUTHORITY),
      verifyHead(Uint8Array.of(1), AUTHORITY)
    ].map(verdict => (verdict.ok ? 'ok' : verdict.reason))
    expect(reasons).toEqual([
      'the head is not signed by the host of this network',
      'the head is of another network',
      'the head is not signed by the host of this network',
      'these bytes are no log head'
    ])
  })

  it('is nothing else than its canonical bytes', () => {
    const fields = decode(bytes) as Record<string, unknown>
    const { signature: _, ...unsigned } = fields
    for (const other of [
      concatBytes(bytes, Uint8Array.of(0)),
      encode({ ...fields, more: 1 }),
      encode(unsigned),
      encode({ ...fields, version: 2 }),
      encode({ ...fields, size: 0 }),
      encode({ ...fields, number: -1 }),
      encode({ ...fields, root: new Uint8Array(31) }),
      encode({ ...fields, signature: new Uint8Array(400) }),
      new Uint8Array(HEAD_SIZE_BYTES_MAX + 1)
    ])
      expect(decodeHead(other)).toBeUndefined()
  })

  it('does not survive a changed byte', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (index, flip) => {
        expect(verifyHead(bytes.with(index, bytes[index]! ^ flip), AUTHORITY).ok).toBe(false)
      }),
      { numRuns: 60 }
    )
  })
})
