import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { checkReceipt } from '../../src/evidence/check-receipt.ts'
import { readRoundEntries, receiptOfAttestation, receiptOfSelfProof } from '../../src/evidence/make-receipt.ts'
import { merklePath } from '../../src/evidence/merkle-path.ts'
import { merkleRoot } from '../../src/evidence/merkle-root.ts'
import { type DealReceipt, encodeReceipt } from '../../src/evidence/receipt.ts'
import type { Signer } from '../../src/identity.ts'
import { encodeEntry } from '../../src/ledger/entry.ts'
import { encodeHead, headAfter, signHead } from '../../src/ledger/log-head.ts'
import { networkIdOf } from '../../src/network.ts'
import { roundOpensMs } from '../../src/rounds/schedule.ts'
import { AttestedRounds, type StoredDeal } from '../ledger/attested-round.ts'
import { pieceOf, rootOf } from '../ledger/memory-pieces.ts'
import { HOST, OTHER_PROVIDER, PROVIDER, parametersWith, STRANGER, TestNetwork } from '../ledger/network-fixture.ts'

/** Round 2 of one small deal: two verifiers passed it, one raised a false alarm, and the provider proved it to the ledger. */
const ROUND = 2
let network: TestNetwork
let networkId: Uint8Array
let stored: StoredDeal
let rounds: AttestedRounds
let verifiers: Signer[]
let receipt: DealReceipt
let selfProof: DealReceipt

beforeAll(async () => {
  network = new TestNetwork()
  networkId = networkIdOf(network.parameters)
  await network.stakeAll()
  stored = await network.openDealWithPieces({ pieces: [pieceOf('a', 200), pieceOf('b', 90)], leavesPerRound: 12 })
  await network.openRounds(ROUND)
  rounds = new AttestedRounds(network, [stored])
  verifiers = rounds.verifiersOf(1)
  await rounds.attestAll(verifier => (verifier === verifiers[1] ? 'no answer' : 'honest'))
  await network.take(await network.selfProof(stored.deal, PROVIDER, stored.pieces))
  await network.openRound()
  receipt = (await attestationReceipt(verifiers[0]!))!
  selfProof = (await selfProofReceipt())!
})

const entries = () => network.applied.map(({ entry }) => entry)

async function attestationReceipt(verifier: Signer) {
  const { beaconSignature, attestations } = (await readRoundEntries(entries(), ROUND))!
  const logged = attestations.find(({ command }) => command.statement.verifier === verifier.address)!
  const shown = rounds.shown(verifier, ROUND, 1)
  const logProof = proofOfEntry(logged.sequence)
  return receiptOfAttestation({
    state: network.state,
    round: ROUND,
    dealId: 1,
    beaconSignature,
    logged,
    shown,
    logProof
  })
}

async function selfProofReceipt() {
  const { beaconSignature, selfProofs } = (await readRoundEntries(entries(), ROUND))!
  return receiptOfSelfProof({ state: network.state, round: ROUND, dealId: 1, beaconSignature, logged: selfProofs[0]! })
}

/** The log as the host would have signed it. */
function proofOfEntry(sequence: number) {
  const genesis = { kind: 'genesis', networkId } as const
  const first = { version: 1, sequence: 0, timeMs: network.parameters.genesisMs - 1000, body: genesis } as const
  const leaves = [first, ...entries()].map(encodeEntry)
  const facts = { networkId, size: leaves.length, root: merkleRoot(leaves), timeMs: network.state.timeMs }
  return { head: encodeHead(signHead(headAfter(undefined, facts), HOST)), path: merklePath(leaves, sequence) }
}

const check = (one: DealReceipt) => checkReceipt(encodeReceipt(one), { networkId })

describe('a receipt', () => {
  it('of an attestation says who saw what, when, and where it stands in the log', () => {
    expect(check(receipt)).toEqual({
      ok: true,
      facts: {
        networkName: 'test',
        beaconSource: 'host',
        round: ROUND,
        opensMs: roundOpensMs(network.parameters, ROUND),
        dealId: 1,
        provider: PROVIDER.address,
        verdict: 'pass',
        verifier: verifiers[0]!.address,
        pieces: 2,
        leavesAsked: expect.any(Number),
        log: { sequence: receipt.log!.sequence, headNumber: 0, headSize: network.applied.length + 1 }
      }
    })
  })

  it('of a self-proof needs no verifier', () => {
    expect(check(selfProof)).toMatchObject({
      ok: true,
      facts: { verdict: 'pass', verifier: undefined, log: undefined }
    })
  })

  it('of a silence says no more than that', async () => {
    const silence = (await attestationReceipt(verifiers[1]!))!
    expect(check(silence)).toMatchObject({ ok: true, facts: { verdict: 'no answer' } })
  })

  it('is made of what the ledger remembers only', async () => {
    const { beaconSignature, attestations, selfProofs } = (await readRoundEntries(entries(), ROUND))!
    const common = { state: network.state, dealId: 1, beaconSignature }
    const shown = rounds.shown(verifiers[0]!, ROUND, 1)
    expect(receiptOfAttestation({ ...common, round: 77, logged: attestations[0]!, shown })).toBeUndefined()
    expect(receiptOfSelfProof({ ...common, round: ROUND, dealId: 9, logged: selfProofs[0]! })).toBeUndefined()
    expect(await readRoundEntries(entries(), 77)).toBeUndefined()
  })

  it('is one of its own network only', () => {
    const other = networkIdOf(parametersWith({ name: 'other' }))
    expect(checkReceipt(encodeReceipt(receipt), { networkId: other })).toEqual({
      ok: false,
      reason: 'this receipt is of another network'
    })
  })
})

const changed = (bytes: Uint8Array) => bytes.map((byte, index) => (index === 7 ? byte ^ 1 : byte))
const attestation = () => receipt.evidence as Extract<DealReceipt['evidence'], { kind: 'attestation' }>
const proved = () => selfProof.evidence as Extract<DealReceipt['evidence'], { kind: 'self-proof' }>

describe('a receipt is refused, with the reason,', () => {
  it.each<[string, () => DealReceipt, string]>([
    ['for another round', () => ({ ...receipt, round: ROUND + 1 }), 'beacon’s signature'],
    [
      'for another beacon',
      () => ({ ...receipt, beaconSignature: changed(receipt.beaconSignature) }),
      'beacon’s signature'
    ],
    ['for another deal', () => ({ ...receipt, dealId: 2 }), 'it is about deal 1'],
    ['for another provider', () => ({ ...receipt, provider: OTHER_PROVIDER.address }), 'it is about other pieces'],
    ['for fewer leaves', () => ({ ...receipt, leavesPerRound: 1 }), 'it is about other pieces'],
    ['for fewer pieces', () => ({ ...receipt, pieces: receipt.pieces.slice(1) }), 'it is about other pieces'],
    ['for pieces in disorder', () => ({ ...receipt, pieces: receipt.pieces.toReversed() }), 'order of their numbers'],
    ['for what is no piece', () => ({ ...receipt, pieces: [{ id: 0, cid: rootOf('object') }] }), 'is no piece'],
    [
      'with a verifier that did not sign',
      () =>
        withEvidence({ command: { ...attestation().command, signature: changed(attestation().command.signature) } }),
      'not signed by its verifier'
    ],
    ['at another place', () => withEvidence({ index: 1, size: 2 }), 'not under the root'],
    ['with a place too many', () => withEvidence({ index: 4, size: 5 }), 'so many verdicts'],
    [
      'with another transcript',
      () => withEvidence({ transcript: { ...attestation().transcript, reason: 'x' } }),
      'not under the root'
    ],
    ['without its proofs', () => withEvidence({ proofs: null }), 'the proofs decide'],
    [
      'with another log',
      () => ({ ...receipt, log: { ...receipt.log!, timeMs: receipt.log!.timeMs + 1 } }),
      'does not stand in the log'
    ],
    [
      'with a head that somebody else signed',
      () => ({ ...receipt, log: { ...receipt.log!, head: foreignHead() } }),
      'not signed by the host'
    ],
    [
      'with a self-proof of another round',
      () => withSelfProof({ statement: { ...proved().command.statement, round: 1 } }),
      'of another round'
    ],
    [
      'with a self-proof that nobody signed',
      () => withSelfProof({ signature: changed(proved().command.signature) }),
      'not signed by the provider'
    ],
    [
      'with a self-proof of another piece that no leaf fell on',
      () => ({ ...selfProof, pieces: [...selfProof.pieces, { id: 7, cid: pieceOf('c', 1).cid }] }),
      'about other pieces'
    ],
    ['with a self-proof of another provider', () => ({ ...selfProof, provider: STRANGER.address }), 'not signed'],
    [
      'with a self-proof of more leaves',
      () => ({ ...selfProof, leavesPerRound: selfProof.leavesPerRound + 1 }),
      'about other pieces'
    ],
    [
      'with other proofs',
      () => withSelfProof({ proofs: proved().command.proofs.map(one => ({ ...one, leaves: changed(one.leaves) })) }),
      'not the proofs that are signed'
    ]
  ])('%s', (_, make, reason) => {
    expect(check(make())).toEqual({ ok: false, reason: expect.stringContaining(reason) })
  })

  function withEvidence(changes: Partial<ReturnType<typeof attestation>>): DealReceipt {
    return { ...receipt, evidence: { ...attestation(), ...changes } }
  }
  function withSelfProof(changes: Partial<ReturnType<typeof proved>['command']>): DealReceipt {
    return { ...selfProof, evidence: { ...proved(), command: { ...proved().command, ...changes } } }
  }
  function foreignHead(): Uint8Array {
    const facts = { networkId, size: 99, root: new Uint8Array(32), timeMs: 1 }
    return encodeHead(signHead(headAfter(undefined, facts), STRANGER))
  }
})

describe('of a receipt', () => {
  it('no byte can flip', () => {
    for (const one of [receipt, selfProof]) {
      const bytes = encodeReceipt(one)
      for (const at of bytes.keys()) {
        const flipped = bytes.slice()
        flipped[at]! ^= 1 << (at % 8)
        expect(checkReceipt(flipped, { networkId }), `byte ${at}`).toEqual({
          ok: false,
          reason: 'these bytes are no receipt, or were damaged'
        })
      }
    }
  })

  it('no bit can be changed by who makes the checksum anew', { timeout: 1_200_000 }, () => {
    const bodies = [receipt, selfProof].map(one => encodeReceipt(one).subarray(0, -32))
    const runs = process.env.HOLDFAST_LONG === '1' ? 10_000 : 250
    fc.assert(
      fc.property(fc.nat(1), fc.nat(), fc.nat(7), (which, place, bit) => {
        const body = bodies[which]!
        const changedBody = body.slice()
        const at = place % body.length
        changedBody[at]! ^= 1 << bit
        const verdict = checkReceipt(concatBytes(changedBody, sha256(changedBody)), { networkId })
        expect(verdict.ok, `bit ${bit} of byte ${at}`).toBe(false)
      }),
      { numRuns: runs }
    )
  })

  it('any bytes at all are judged, never thrown at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, sealed) => {
        const foreign = sealed ? concatBytes(bytes, sha256(bytes)) : bytes
        expect(checkReceipt(foreign, { networkId }).ok).toBe(false)
      })
    )
    expect(checkReceipt(new Uint8Array(5 * 1024 * 1024), { networkId })).toMatchObject({
      reason: 'this is too large for a receipt'
    })
  })
})
