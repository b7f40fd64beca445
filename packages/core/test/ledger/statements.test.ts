import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import type { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { createStatementDigest, type Statement, signerOf, statementSchema } from '../../src/ledger/statements.ts'
import { pieceOf, rootOf } from './memory-pieces.ts'
import { STATEMENT_TYPES } from './statement-types.ts'

const NETWORK_ID = Uint8Array.from({ length: 32 }, (_, index) => index)
const digestOf = createStatementDigest(NETWORK_ID)

const ALICE = `0x${'a1'.repeat(20)}` as const
const BOB = `0x${'b0'.repeat(20)}` as const
const ID = '000102030405060708090a0b0c0d0e0f'
const DIGEST = new Uint8Array(32).fill(9)

const STATEMENTS: { readonly [Kind in Parameters<typeof signerOf>[0]]: Statement<Kind> } = {
  Transfer: { from: ALICE, to: BOB, amount: 2n ** 100n, nonce: 7 },
  Ask: {
    provider: ALICE,
    operator: BOB,
    id: ID,
    validUntilRound: 9,
    addresses: ['/ip4/127.0.0.1/tcp/1', '/dns4/example.com/tcp/2'],
    region: 'eu',
    pricePerLeafRound: 3n,
    capacityBytes: 10 ** 12
  },
  VerifierStake: { verifier: ALICE, operator: BOB, id: ID, validUntilRound: 9, amount: 1n, addresses: [] },
  DealOrder: {
    client: ALICE,
    provider: BOB,
    id: ID,
    validUntilRound: 9,
    pricePerLeafRound: 4n,
    leavesPerRound: 20,
    escrow: 0n
  },
  PiecesOrder: {
    client: ALICE,
    id: ID,
    validUntilRound: 9,
    dealId: 3,
    pieces: [pieceOf('a').cid, pieceOf('b').cid],
    labels: [Uint8Array.of(1, 2, 3), new Uint8Array(64).fill(7)],
    deposit: 6n
  },
  RemovePieces: { client: ALICE, id: ID, validUntilRound: 9, dealId: 3, pieceIds: [0, 7, 2 ** 40] },
  Acceptance: { provider: BOB, order: DIGEST },
  TopUp: { client: ALICE, id: ID, validUntilRound: 9, dealId: 3, amount: 5n },
  EndDeal: { party: ALICE, id: ID, validUntilRound: 9, dealId: 3 },
  Attestation: {
    verifier: ALICE,
    id: ID,
    validUntilRound: 9,
    round: 9,
    verdicts: Uint8Array.of(1, 2),
    transcripts: DIGEST
  },
  SelfProof: {
    provider: BOB,
    id: ID,
    validUntilRound: 9,
    dealId: 3,
    round: 9,
    docket: true,
    asked: DIGEST,
    proofs: DIGEST
  },
  ProofPush: { provider: BOB, verifier: ALICE, dealId: 3, round: 9, proofs: DIGEST },
  DemandOpening: { client: ALICE, id: ID, validUntilRound: 9, dealId: 3, bond: 5n },
  Unstake: { verifier: ALICE, id: ID, validUntilRound: 9, amount: 5n },
  DemandTranscript: { demander: ALICE, id: ID, validUntilRound: 9, verifier: BOB, round: 8, dealId: 3, bond: 5n },
  AnswerTranscript: { verifier: ALICE, id: ID, validUntilRound: 9, round: 8, dealId: 3, transcript: DIGEST },
  Refute: { refuter: ALICE, id: ID, validUntilRound: 9, verifier: BOB, round: 8, dealId: 3, transcript: DIGEST },
  TakeOverOrder: {
    client: ALICE,
    id: ID,
    validUntilRound: 9,
    dealId: 3,
    pricePerLeafRoundMax: 7n,
    reward: 8n,
    regions: ['eu', 'us']
  },
  HandOver: { provider: ALICE, id: ID, validUntilRound: 9, dealId: 3, pricePerLeafRound: 7n },
  KeyChange: { account: ALICE, id: ID, validUntilRound: 9, successor: BOB },
  ParameterChange: { host: ALICE, id: ID, validUntilRound: 9, fromOpening: 12, parameters: DIGEST },
  ReadPermission: { label: ALICE, provider: BOB, reader: ALICE, validUntilRound: 9 },
  RepairNotice: { provider: BOB, dealId: 3, round: 9, pieces: [pieceOf('a').cid, pieceOf('b').cid] }
}
type Kind = keyof typeof STATEMENTS

/** EIP-712 written down from its text: encodeData, and nothing shared with the code under test. */
const hashText = (text: string) => keccak_256(utf8ToBytes(text))
const leftPadded = (bytes: Uint8Array) => concatBytes(new Uint8Array(32 - bytes.length), bytes)
const rightPadded = (bytes: Uint8Array) => concatBytes(bytes, new Uint8Array(32 - bytes.length))
const word = (value: bigint) => hexToBytes(value.toString(16).padStart(64, '0'))

function encodeWord(type: string, value: unknown): Uint8Array {
  if (type.endsWith('[]')) {
    return keccak_256(concatBytes(...(value as unknown[]).map(item => encodeWord(type.slice(0, -2), item))))
  }
  if (type === 'address') return leftPadded(hexToBytes((value as string).slice(2)))
  if (type === 'string') return hashText(value as string)
  if (type === 'bytes') return keccak_256(value instanceof Uint8Array ? value : (value as CID).bytes)
  if (type === 'bytes16') return rightPadded(hexToBytes(value as string))
  if (type === 'bytes32') return value as Uint8Array
  return word(BigInt(value as bigint | number | boolean))
}

function digestByHand(kind: Kind, statement: object): string {
  const type = STATEMENT_TYPES[kind]
  const fields = type.slice(type.indexOf('(') + 1, -1).split(',')
  const words = fields.map(field => {
    const [solidity, name] = field.split(' ') as [string, string]
    return encodeWord(solidity, (statement as Record<string, unknown>)[name])
  })
  const struct = keccak_256(concatBytes(hashText(type), ...words))
  const domainType = hashText('EIP712Domain(string name,string version,bytes32 salt)')
  const domain = keccak_256(concatBytes(domainType, hashText('Holdfast'), hashText('1'), NETWORK_ID))
  return bytesToHex(keccak_256(concatBytes(Uint8Array.of(0x19, 0x01), domain, struct)))
}

const kinds = Object.keys(STATEMENTS) as Kind[]

describe.each(kinds)('%s', kind => {
  const statement = STATEMENTS[kind] as Statement<typeof kind>

  it('has the digest that EIP-712 says', () => {
    expect(bytesToHex(digestOf(kind, statement))).toBe(digestByHand(kind, statement))
  })

  it('is signed by the party that it names first', () => {
    expect(signerOf(kind, statement)).toBe(Object.values(statement)[0])
  })

  it('has another digest when any field changes, and on another network', () => {
    const digest = bytesToHex(digestOf(kind, statement))
    for (const [name, value] of Object.entries(statement)) {
      expect(bytesToHex(digestOf(kind, { ...statement, [name]: changed(value) })), name).not.toBe(digest)
    }
    const elsewhere = createStatementDigest(new Uint8Array(32))
    expect(bytesToHex(elsewhere(kind, statement))).not.toBe(digest)
  })

  it('refuses fields that it does not know, and missing ones', () => {
    const schema = statementSchema(kind)
    const wire = schema.encode(statement as never) as Record<string, unknown>
    expect(schema.safeParse(wire).data).toEqual(statement)
    expect(schema.safeParse({ ...wire, more: 1 }).success).toBe(false)
    for (const name of Object.keys(wire)) {
      const { [name]: _, ...rest } = wire
      expect(schema.safeParse(rest).success, name).toBe(false)
    }
  })
})

/** Another value of the same type. */
function changed(value: unknown): unknown {
  if (typeof value === 'bigint') return value + 1n
  if (typeof value === 'number') return value + 1
  if (typeof value === 'boolean') return !value
  if (Array.isArray(value)) return value.length === 0 ? ['/x'] : value.slice(1)
  if (value instanceof Uint8Array) return value.map(byte => byte ^ 1)
  if (value === ALICE) return BOB
  if (value === BOB) return ALICE
  if (value === ID) return ID.replace('f', 'e')
  return typeof value === 'string' ? `${value}!` : rootOf('another')
}

it('never gives two orders one digest', () => {
  const order = fc.record({
    pricePerLeafRound: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
    leavesPerRound: fc.nat(),
    escrow: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n })
  })
  fc.assert(
    fc.property(order, order, (first, second) => {
      const [a, b] = [first, second].map(one => bytesToHex(digestOf('DealOrder', { ...STATEMENTS.DealOrder, ...one })))
      expect(a === b).toBe(
        first.pricePerLeafRound === second.pricePerLeafRound &&
          first.leavesPerRound === second.leavesPerRound &&
          first.escrow === second.escrow
      )
    }),
    { numRuns: 50 }
  )
})

it('keeps amounts within 128 bits and above zero, both ways', () => {
  const schema = statementSchema('TopUp')
  const wire = { ...STATEMENTS.TopUp, amount: '1' }
  for (const amount of ['-1', '01', '1.0', '', '0x1', `${2n ** 128n}`, '9'.repeat(40), 1, 1n]) {
    expect(schema.safeParse({ ...wire, amount }).success, String(amount)).toBe(false)
  }
  for (const amount of [-1n, 2n ** 128n]) {
    expect(schema.safeEncode({ ...STATEMENTS.TopUp, amount }).success).toBe(false)
  }
  expect(schema.parse({ ...wire, amount: `${2n ** 128n - 1n}` }).amount).toBe(2n ** 128n - 1n)
})
