import { createHmac } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { createSigner } from '../../src/identity.ts'
import { addressOfLabel } from '../../src/pieces/label.ts'
import {
  asRepairKey,
  deriveLabel,
  deriveLabelKey,
  deriveObjectKeys,
  derivePieceKey,
  deriveReplicaKey,
  PIECES_PER_OBJECT_MAX,
  REPLICAS_PER_OBJECT_MAX
} from '../../src/pieces/object-keys.ts'

const SECRET = Uint8Array.from({ length: 32 }, (_, index) => index)
const { readKey, repairKey } = deriveObjectKeys(SECRET)

/** RFC 5869 by hand: extract without salt, and one block of expand. */
function hkdfByHand(key: Uint8Array, info: Buffer): string {
  const extracted = createHmac('sha256', Buffer.alloc(32)).update(key).digest()
  return createHmac('sha256', extracted).update(info).update(Buffer.of(1)).digest('hex')
}
const infoOf = (name: string, ...numbers: number[]) =>
  Buffer.concat([
    Buffer.from(`holdfast/1/${name}`),
    ...numbers.map(number => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(number)
      return bytes
    })
  ])

describe('keys of an object', () => {
  it('are what HKDF says', () => {
    expect(bytesToHex(readKey)).toBe(hkdfByHand(SECRET, infoOf('read')))
    expect(bytesToHex(repairKey)).toBe(hkdfByHand(SECRET, infoOf('repair')))
    expect(bytesToHex(derivePieceKey(readKey, 7))).toBe(hkdfByHand(readKey, infoOf('piece', 7)))
    expect(bytesToHex(deriveReplicaKey(repairKey, { replica: 2, piece: 7 }))).toBe(
      hkdfByHand(repairKey, infoOf('replica', 2, 7))
    )
  })

  it('are all different', () => {
    const places = [0, 1, 255].flatMap(replica => [0, 1, 256, 65_535].map(piece => ({ replica, piece })))
    const keys = [
      SECRET,
      readKey,
      repairKey,
      ...[0, 1, 256, 65_535].map(piece => derivePieceKey(readKey, piece)),
      ...places.map(place => deriveReplicaKey(repairKey, place)),
      ...places.map(place => deriveLabelKey(repairKey, place))
    ]
    expect(new Set(keys.map(bytesToHex)).size).toBe(keys.length)
    expect(new Set(places.map(place => bytesToHex(deriveLabel(repairKey, place)))).size).toBe(places.length)
  })

  it('label a piece with the address of its label key', () => {
    const place = { replica: 1, piece: 3 }
    const label = deriveLabel(repairKey, place)
    expect(addressOfLabel(label)).toBe(createSigner(deriveLabelKey(repairKey, place)).address)
    expect(bytesToHex(deriveLabel(deriveObjectKeys(SECRET.map(byte => byte ^ 1)).repairKey, place))).not.toBe(
      bytesToHex(label)
    )
  })

  it('exist for the replicas and pieces that an object can have', () => {
    for (const place of [
      { replica: REPLICAS_PER_OBJECT_MAX, piece: 0 },
      { replica: 0, piece: PIECES_PER_OBJECT_MAX },
      { replica: -1, piece: 0 },
      { replica: 0, piece: 0.5 }
    ]) {
      expect(() => deriveReplicaKey(repairKey, place)).toThrow(RangeError)
      expect(() => deriveLabel(repairKey, place)).toThrow(RangeError)
    }
    expect(() => derivePieceKey(readKey, PIECES_PER_OBJECT_MAX)).toThrow(RangeError)
  })

  it('need a whole secret', () => {
    expect(() => deriveObjectKeys(SECRET.subarray(1))).toThrow(RangeError)
    expect(() => asRepairKey(new Uint8Array(33))).toThrow(RangeError)
  })
})
