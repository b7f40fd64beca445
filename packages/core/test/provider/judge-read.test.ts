import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { createSigner, portableSignatureVerifier } from '../../src/identity.ts'
import { createStatementDigest } from '../../src/ledger/statements.ts'
import { labelOfAddress } from '../../src/pieces/label.ts'
import {
  createKnownPermissions,
  formatBearer,
  parseBearer,
  signReadPermission
} from '../../src/pieces/read-permission.ts'
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
    ['that is not held, with a permission', { holdings: [], permission: permissionFor() }, false],
    [
      'private, by who does not show himself, with a permission that names its reader',
      { reader: undefined, permission: { permission: permissionFor(), reader: STRANGER.address } },
      true
    ],
    [
      'private, with a permission that names another reader than was meant',
      { reader: undefined, permission: { permission: permissionFor(), reader: CLIENT.address } },
      false
    ]
  ])('%s', (_, changes, expected) => {
    expect(reads(changes)).toBe(expected)
  })
})

it('a permission is as right as it was when it comes again, and no other is right for it', () => {
  const tools = { digestOf, verifier: portableSignatureVerifier, known: createKnownPermissions() }
  const request: ReadRequest = {
    isPublic: false,
    holdings: [{ client: CLIENT.address, label: LABEL }],
    provider: PROVIDER.address,
    reader: STRANGER.address,
    permission: permissionFor(),
    round: 5,
    statementRoundsMax: 10
  }
  expect(mayRead(request, tools)).toBe(true)
  const silent = { digestOf, verifier: { recover: () => undefined }, known: tools.known }
  expect(mayRead(request, silent)).toBe(true)
  expect(mayRead({ ...request, round: 8 }, silent)).toBe(false)
  expect(
    mayRead({ ...request, reader: CLIENT.address, holdings: [{ client: PROVIDER.address, label: LABEL }] }, silent)
  ).toBe(false)
  const longer = { ...request.permission!, validUntilRound: 8 } as typeof request.permission
  expect(mayRead({ ...request, permission: longer }, silent)).toBe(false)
})

it('a permission is the same as the text of a header; what is none is none', () => {
  const bearer = { permission: permissionFor(), reader: STRANGER.address }
  const text = formatBearer(bearer)
  expect(parseBearer(text)).toEqual(bearer)
  for (const other of [
    '',
    'Bearer x',
    text.slice(0, -1),
    `${text}00`,
    text.replace('Holdfast', 'holdfast'),
    text.toUpperCase()
  ])
    expect(parseBearer(other)).toBeUndefined()
})
