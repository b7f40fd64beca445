import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { createSigner, portableSignatureVerifier } from '../../src/identity.ts'
import { createStatementDigest } from '../../src/ledger/statements.ts'
import { labelOfAddress } from '../../src/pieces/label.ts'
import { signReadPermission } from '../../src/pieces/read-permission.ts'
import { mayRead, type ReadRequest } from '../../src/provider/judge-read.ts'
import { rootOf } from '../ledger/memory-pieces.ts'
import { CLIENT, OTHER_PROVIDER, PROVIDER, STRANGER } from '../ledger/network-fixture.ts'

const digestOf = createStatementDigest(new Uint8Array(32))
const LABEL_KEY = sha256(utf8ToBytes('label key'))
const LABEL = labelOfAddress(createSigner(LABEL_KEY).address)

const permissionFor = (reader = STRANGER, provider = PROVIDER, validUntilRound = 7, key = LABEL_KEY) =>
  signReadPermission(key, { provider: provider.address, reader: reader.address, validUntilRound }, digestOf)

function reads(changes: Partial<ReadRequest>): boolean {
  const request: ReadRequest = {
    isPublic: false,
    holdings: [{ client: CLIENT.address, label: LABEL }],
    provider: PROVIDER.address,
    reader: STRANGER.address,
    permission: null,
    round: 5,
    statementRoundsMax: 10,
    ...changes
  }
  return mayRead(request, { digestOf, verifier: portableSignatureVerifier })
}

describe('a piece is read', () => {
  it.each<[string, Partial<ReadRequest>, boolean]>([
    ['public, by anybody', { isPublic: true, reader: undefined }, true],
    ['private, by a stranger', {}, false],
    ['private, by a peer without an account', { reader: undefined, permission: permissionFor() }, false],
    ['private, by its client', { reader: CLIENT.address }, true],
    [
      'private and without an order yet, by its client',
      { reader: CLIENT.address, holdings: [{ client: CLIENT.address, label: undefined }] },
      true
    ],
    ['private, with a permission', { permission: permissionFor() }, true],
    ['private, with the permission of another reader', { permission: permissionFor(CLIENT) }, false],
    ['private, with a permission for another provider', { permission: permissionFor(STRANGER, OTHER_PROVIDER) }, false],
    [
      'private, with a permission by another key',
      { permission: permissionFor(STRANGER, PROVIDER, 7, sha256(LABEL)) },
      false
    ],
    ['private, with a permission that has run out', { round: 8, permission: permissionFor() }, false],
    ['private, with a permission without end', { round: 5, statementRoundsMax: 1, permission: permissionFor() }, false],
    [
      'under a public label, with a permission',
      { holdings: [{ client: CLIENT.address, label: rootOf('x').bytes }], permission: permissionFor() },
      false
    ],
    ['that is not held, with a permission', { holdings: [], permission: permissionFor() }, false]
  ])('%s', (_, changes, expected) => {
    expect(reads(changes)).toBe(expected)
  })
})
