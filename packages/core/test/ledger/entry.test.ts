import { multiProofSizeBytes, PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import { decode, encode } from '@ipld/dag-cbor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { apply } from '../../src/ledger/apply.ts'
import { type Command, ENTRY_SIZE_BYTES_MAX, LEAVES_PER_PROOF_MAX } from '../../src/ledger/commands.ts'
import { decodeEntry, type Entry, encodeEntry, SETTLE_COUNT_MAX } from '../../src/ledger/entry.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import { createLedgerState } from '../../src/ledger/state.ts'
import { PIECES_PER_ORDER_MAX } from '../../src/ledger/statements.ts'
import { LEAVES_PER_ROUND_MAX } from '../../src/network.ts'
import { DOCKET_SLICE_LEAVES_MAX } from '../../src/provider/prover.ts'
import { pieceOf } from './memory-pieces.ts'
import { CLIENT, PARAMETERS, PROVIDER, STRANGER, TestNetwork, TOOLS } from './network-fixture.ts'

/** One command of every kind, with bodies that the rules took. */
async function someEntries(): Promise<Entry[]> {
  const network = new TestNetwork()
  await network.stakeAll()
  const { deal, pieces } = await network.openDealWithPieces({ pieces: [pieceOf('kept'), pieceOf('removed')] })
  await network.take(
    network.transfer(CLIENT, STRANGER, 1n),
    network.topUp(CLIENT, 1, 2n),
    network.demandOpening(CLIENT, 1),
    network.removePieces(CLIENT, 1, [1])
  )
  await network.openRounds(2)
  await network.attestAll(() => 'pass')
  await network.take(await network.selfProof(deal, PROVIDER, pieces), network.endDeal(CLIENT, 1))
  network.voidRounds(4)
  const genesis = { kind: 'genesis', networkId: network.state.networkId } as const
  return [{ version: 1, sequence: 0, timeMs: 0, body: genesis }, ...network.applied.map(({ entry }) => entry)]
}

const ENTRIES = await someEntries()

describe('entries', () => {
  it('come back as they were, every kind of them', () => {
    const kinds = new Set(ENTRIES.map(({ body }) => (body.kind === 'command' ? body.command.kind : body.kind)))
    expect(kinds.size).toBe(3 + 11)
    const settle: Entry = { version: 1, sequence: 7, timeMs: 8, body: { kind: 'settle', count: SETTLE_COUNT_MAX } }
    for (const entry of [...ENTRIES, settle]) {
      const bytes = encodeEntry(entry)
      expect(decodeEntry(bytes)).toEqual(entry)
      expect(encodeEntry(decodeEntry(bytes)!)).toEqual(bytes)
    }
  })

  it('are refused as a value when a field is missing, unknown or of the wrong type', () => {
    for (const entry of ENTRIES) {
      const wire = decode<Record<string, unknown>>(encodeEntry(entry))
      for (const wrong of [
        { ...wire, more: 1 },
        { ...wire, version: 2 },
        { ...wire, sequence: -1 },
        { ...wire, timeMs: 1.5 }
      ]) {
        expect(decodeEntry(encode(wrong))).toBeUndefined()
      }
      const { body: _, ...rest } = wire
      expect(decodeEntry(encode(rest))).toBeUndefined()
    }
  })

  it('never throw, whatever the bytes', () => {
    const encoded = ENTRIES.map(encodeEntry)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        expect(decodeEntry(bytes)).toBeUndefined()
      }),
      { numRuns: 500 }
    )
    const flip = fc.tuple(fc.nat(encoded.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(flip, ([index, position, mask]) => {
        const bytes = encoded[index]!.slice()
        bytes[position % bytes.length]! ^= mask
        const entry = decodeEntry(bytes)
        if (entry !== undefined) expect(decodeEntry(encodeEntry(entry))).toEqual(entry)
      }),
      { numRuns: 500 }
    )
  })
})

it('no entry is taken of which a bit was changed, and nothing comes of it', () => {
  const state = createLedgerState(PARAMETERS)
  const taken = new Set<string>()
  for (const [index, entry] of ENTRIES.entries()) {
    const before = hashState(state)
    const encoded = encodeEntry(entry)
    const flip = fc.tuple(fc.nat(encoded.length - 1), fc.nat(7))
    fc.assert(
      fc.property(flip, ([position, bit]) => {
        const changed = decodeEntry(encoded.with(position, encoded[position]! ^ (1 << bit)))
        // The host's clock, and what it passes over by it, are its own to say; all else is signed, or the beacon's.
        if (changed === undefined || changed.timeMs !== entry.timeMs || changed.body.kind === 'voidRounds') return
        const result = apply(state, changed, TOOLS)
        if (result.ok) throw new Error(`entry ${index}, a ${entry.body.kind}, was taken with a changed bit`)
        taken.add(result.refusal.code)
      }),
      { numRuns: 25, seed: index }
    )
    expect(hashState(state)).toBe(before)
    expect(apply(state, entry, TOOLS).ok).toBe(true)
  }
  expect([...taken]).toEqual(expect.arrayContaining(['BAD_SIGNATURE', 'WRONG_NETWORK']))
})

describe('limits', () => {
  const worstHeightLeaf = multiProofSizeBytes({ rawSize: PIECE_SIZE_BYTES_MAX, leafIndices: [12_345_678] })

  function selfProofOf(leaves: number): Command {
    const proofs = Array.from({ length: leaves }, (_, pieceId) => ({
      pieceId: pieceId + 70_000,
      leafIndices: [12_345_678],
      leaves: new Uint8Array(32),
      nodes: new Uint8Array(worstHeightLeaf - 32)
    }))
    const statement = {
      provider: PROVIDER.address,
      id: 'ff'.repeat(16),
      validUntilRound: 10 ** 9,
      dealId: 10 ** 9,
      round: 10 ** 9,
      docket: true,
      asked: new Uint8Array(32),
      proofs: new Uint8Array(32)
    }
    return { kind: 'SelfProof', statement, signature: new Uint8Array(65), proofs }
  }

  const sizeOf = (command: Command) =>
    encodeEntry({ version: 1, sequence: 10 ** 12, timeMs: 2 * 10 ** 12, body: { kind: 'command', command } }).length

  it('let the largest self-proof of a round, and slice of a docket, into one entry', () => {
    expect(DOCKET_SLICE_LEAVES_MAX).toBeLessThanOrEqual(LEAVES_PER_ROUND_MAX)
    expect(LEAVES_PER_ROUND_MAX).toBeLessThanOrEqual(LEAVES_PER_PROOF_MAX)
    expect(sizeOf(selfProofOf(LEAVES_PER_ROUND_MAX))).toBeLessThanOrEqual(ENTRY_SIZE_BYTES_MAX)
  })

  it('let the largest order into one entry', () => {
    const network = new TestNetwork()
    const order = network.piecesOrder(
      1,
      Array.from({ length: PIECES_PER_ORDER_MAX }, () => pieceOf('a', 127))
    )
    expect(sizeOf(order)).toBeLessThanOrEqual(ENTRY_SIZE_BYTES_MAX)
  })
})
