import { describe, expect, it } from 'vitest'
import { createSigner, portableSignatureVerifier } from '../../src/identity.ts'
import { createStatementDigest } from '../../src/ledger/statements.ts'
import { addressOfLabel, isPrivateLabel, labelOfAddress } from '../../src/pieces/label.ts'
import {
  checkReadPermission,
  type ReadPermissionClaim,
  readPermissionSchema,
  signReadPermission
} from '../../src/pieces/read-permission.ts'
import { rootOf } from '../ledger/memory-pieces.ts'

const digestOf = createStatementDigest(new Uint8Array(32).fill(7))
const tools = { digestOf, verifier: portableSignatureVerifier }
const keyOf = (byte: number) => new Uint8Array(32).fill(byte)
const [LABEL_KEY, OTHER_KEY] = [keyOf(1), keyOf(2)]
const LABEL = labelOfAddress(createSigner(LABEL_KEY).address)
const PROVIDER = createSigner(keyOf(3)).address
const READER = createSigner(keyOf(4)).address

const claim = (changes: Partial<ReadPermissionClaim> = {}): ReadPermissionClaim => ({
  permission: signReadPermission(LABEL_KEY, { provider: PROVIDER, reader: READER, validUntilRound: 12 }, digestOf),
  label: LABEL,
  provider: PROVIDER,
  reader: READER,
  round: 10,
  statementRoundsMax: 5,
  ...changes
})

describe('a read permission', () => {
  it('opens its piece, to its reader, at its provider', () => {
    expect(checkReadPermission(claim(), tools)).toEqual({ ok: true })
  })

  it('has one form on the wire', () => {
    const { permission } = claim()
    expect(readPermissionSchema.parse(readPermissionSchema.encode(permission))).toEqual(permission)
    expect(readPermissionSchema.safeParse({ ...permission, reader: READER }).success).toBe(false)
  })

  it('counts up to its last round, and not for longer than statements may', () => {
    expect(checkReadPermission(claim({ round: 12 }), tools)).toEqual({ ok: true })
    expect(checkReadPermission(claim({ round: 13 }), tools)).toEqual({ ok: false, reason: 'expired' })
    expect(checkReadPermission(claim({ round: 7 }), tools)).toEqual({ ok: true })
    expect(checkReadPermission(claim({ round: 6 }), tools)).toEqual({ ok: false, reason: 'valid too long' })
  })

  const wrong = { ok: false, reason: 'wrong signer' }
  it.each<[string, Partial<ReadPermissionClaim>]>([
    ['to another reader', { reader: PROVIDER }],
    ['at another provider', { provider: READER }],
    ['to another piece', { label: labelOfAddress(createSigner(OTHER_KEY).address) }],
    ['when its end was moved', { permission: { ...claim().permission, validUntilRound: 13 } }],
    ['when it is no signature', { permission: { validUntilRound: 12, signature: new Uint8Array(65) } }]
  ])('opens nothing %s', (_, changes) => {
    expect(checkReadPermission(claim(changes), tools)).toEqual(wrong)
  })

  it('opens nothing on another network', () => {
    const elsewhere = { ...tools, digestOf: createStatementDigest(new Uint8Array(32)) }
    expect(checkReadPermission(claim(), elsewhere)).toEqual(wrong)
  })

  it('is not asked for with the label of a public piece', () => {
    expect(checkReadPermission(claim({ label: rootOf('x').bytes }), tools)).toEqual({
      ok: false,
      reason: 'not private'
    })
  })
})

describe('a label', () => {
  it('is private when it is an address', () => {
    expect(isPrivateLabel(LABEL)).toBe(true)
    expect(addressOfLabel(LABEL)).toBe(createSigner(LABEL_KEY).address)
    expect(isPrivateLabel(rootOf('x').bytes)).toBe(false)
    expect(isPrivateLabel(new Uint8Array())).toBe(false)
    expect(addressOfLabel(rootOf('x').bytes)).toBeUndefined()
  })
})
