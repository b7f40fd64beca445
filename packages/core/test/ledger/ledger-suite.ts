/**
 * What every ledger must do, whoever keeps it: commands and their outcomes. Nothing of logs, heads or proofs of inclusion,
 * which have a suite of their own, so that a ledger without a log can pass this one.
 *
 * A suite is a function of `create`. Each test drives the ledger beside the fixture's network, which signs, knows what a
 * round challenges and says what must come of it; what matters is also said in words and numbers. In the end both hold the
 * same state.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Command } from '../../src/ledger/commands.ts'
import type { Entry } from '../../src/ledger/entry.ts'
import type { LedgerEvent } from '../../src/ledger/event.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { MemoryPieces, pieceOf } from './memory-pieces.ts'
import { CLIENT, CREDIT, PROVIDER, PROVIDERS, resultOf, STRANGER, TestNetwork, VERIFIERS } from './network-fixture.ts'

/** A ledger that a suite can drive; it lives by the network's clock. */
export interface LedgerUnderTest extends AsyncDisposable {
  readonly ledger: Ledger
  /** The network has come to this entry of its host: a round's. Resolves when the ledger has it too. */
  reached(entry: Entry): Promise<void>
}

const [ONE, TWO] = PROVIDERS as [typeof PROVIDER, typeof PROVIDER]
const [VERIFIER] = VERIFIERS as [typeof PROVIDER]

/** Registers the tests. `create` makes a ledger of the network's parameters, before its first round. */
export function describeLedger(name: string, create: (network: TestNetwork) => Promise<LedgerUnderTest>): void {
  let network: TestNetwork
  let under: LedgerUnderTest
  const told: LedgerEvent[] = []
  beforeEach(async () => {
    network = new TestNetwork({ accounts: [CLIENT, STRANGER, ...PROVIDERS, ...VERIFIERS].map(holder) })
    under = await create(network)
    told.length = 0
    under.ledger.subscribe(({ events }) => told.push(...events))
  })
  afterEach(async () => {
    const { state } = under.ledger
    expect(checkInvariants(state)).toEqual([])
    expect(hashState(state)).toBe(hashState(network.state))
    await under[Symbol.asyncDispose]()
  })

  const free = ({ address }: { address: `0x${string}` }) => under.ledger.state.accounts.get(address)?.free ?? 0n

  /** Submits what must be taken. @returns what it did, as the ledger's subscribers heard it */
  async function take(...commands: readonly Command[]): Promise<LedgerEvent[]> {
    const before = told.length
    for (const command of commands) {
      const receipt = await under.ledger.submit(command)
      expect(receipt, command.kind).toMatchObject({ ok: true })
      await network.take(command)
    }
    return told.slice(before)
  }

  /** Submits what must be refused. @returns the refusal's code */
  async function refusal(command: Command): Promise<string> {
    const before = [hashState(under.ledger.state), told.length]
    const receipt = await under.ledger.submit(command)
    expect([hashState(under.ledger.state), told.length]).toEqual(before)
    if (receipt.ok) return 'taken'
    expect(receipt.refusal.code).toBe(await network.refusalOf(command))
    return receipt.refusal.code
  }

  /** Lets a round go by. @returns what its end did */
  async function openRound(): Promise<readonly LedgerEvent[]> {
    const events = await network.openRound()
    await under.reached(network.applied.at(-1)!.entry)
    expect(told.slice(-events.length)).toEqual(events)
    return events
  }

  async function openRounds(count: number): Promise<void> {
    for (let opened = 0; opened < count; opened += 1) await openRound()
  }

  /** A deal of one provider with one piece, challenged from the second round to come on. */
  async function openDeal(leavesPerRound = 4, deposit = 10n * CREDIT) {
    const piece = pieceOf('piece')
    const dealId = network.state.nextDealId
    await take(network.ask(PROVIDER), network.dealOrder(PROVIDER, { leavesPerRound }))
    await take(network.piecesOrder(dealId, [piece], { deposit }))
    return { dealId, deal: network.state.deals.get(dealId)!, pieces: new MemoryPieces(piece) }
  }

  describe(`${name}: transfers`, () => {
    it('move credits once, however often they come', async () => {
      const command = network.transfer(CLIENT, PROVIDER, 3n * CREDIT)
      const events = await take(command)
      expect(events).toEqual([{ kind: 'transferred', from: CLIENT.address, to: PROVIDER.address, amount: 3n * CREDIT }])
      expect([free(CLIENT), free(PROVIDER)]).toEqual([997n * CREDIT, 1003n * CREDIT])
      const first = await under.ledger.submit(command)
      expect(await under.ledger.submit(command)).toEqual(first)
      expect(free(CLIENT)).toBe(997n * CREDIT)
    })

    it('come in the order of their nonces, and never above what is there', async () => {
      expect(await refusal(network.transfer(CLIENT, PROVIDER, 1n, 1))).toBe('WRONG_NONCE')
      expect(await refusal(network.transfer(CLIENT, PROVIDER, 1001n * CREDIT))).toBe('BALANCE_TOO_SMALL')
      await take(network.transfer(CLIENT, PROVIDER, 1000n * CREDIT))
      expect(await refusal(network.transfer(CLIENT, PROVIDER, 1n))).toBe('BALANCE_TOO_SMALL')
      expect(free(CLIENT)).toBe(0n)
    })

    it('that come together are taken one after the other', async () => {
      const commands = Array.from({ length: 8 }, (_, nonce) => network.transfer(CLIENT, PROVIDER, 1n, nonce))
      const receipts = await Promise.all(commands.map(command => under.ledger.submit(command)))
      const sequences = receipts.map(receipt => (receipt.ok ? receipt.sequence : receipt.refusal.code))
      expect(sequences).toEqual(sequences.toSorted())
      expect(new Set(sequences).size).toBe(8)
      await network.take(...commands)
    })

    it('of nobody’s key, of another network, or changed on their way are refused', async () => {
      const command = network.transfer(CLIENT, PROVIDER, 1n)
      const other = new TestNetwork({ name: 'another' }).transfer(CLIENT, PROVIDER, 1n)
      const changed = { ...command, statement: { ...command.statement, amount: 2n } } as Command
      for (const forged of [network.transfer(STRANGER, PROVIDER, 1n), other, changed]) {
        const signature = forged === other ? other.signature : network.transfer(VERIFIER, PROVIDER, 1n).signature
        expect(await refusal({ ...forged, signature } as Command)).toBe('BAD_SIGNATURE')
      }
      expect(await refusal({ ...command, signature: new Uint8Array(65) } as Command)).toBe('BAD_SIGNATURE')
    })
  })

  describe(`${name}: statements`, () => {
    it('are applied once by their id, and an id is one statement’s', async () => {
      const ask = network.ask(PROVIDER)
      await take(ask)
      expect(await under.ledger.submit(ask)).toMatchObject({ ok: true })
      const { id, validUntilRound } = ask.statement as { id: string; validUntilRound: number }
      expect(await refusal(network.ask(PROVIDER, { id, validUntilRound, region: 'us' }))).toBe('ID_REUSED')
      await take(network.ask(TWO, { id, validUntilRound }))
    })

    it('expire, and are not valid for ever', async () => {
      await openRounds(2)
      expect(await refusal(network.ask(PROVIDER, { validUntilRound: 1 }))).toBe('EXPIRED')
      expect(await refusal(network.ask(PROVIDER, { validUntilRound: 99 }))).toBe('VALID_TOO_LONG')
      await take(network.ask(PROVIDER, { validUntilRound: 2 }))
    })
  })

  describe(`${name}: deals`, () => {
    it('are opened with both signatures, and hold the client’s money', async () => {
      expect(await refusal(network.dealOrder(PROVIDER))).toBe('NO_ASK')
      await take(network.ask(PROVIDER))
      const order = network.dealOrder(PROVIDER)
      expect(await refusal({ ...order, acceptance: order.signature } as Command)).toBe('BAD_ACCEPTANCE')
      await take(order)
      expect(await refusal(network.piecesOrder(7, [pieceOf('a')]))).toBe('NO_DEAL')
      expect(await refusal(network.piecesOrder(1, [pieceOf('a')], { deposit: 0n }))).toBe('ESCROW_TOO_SMALL')
      expect(await refusal(network.topUp(STRANGER, 1, 1n))).toBe('NOT_A_PARTY')
      await take(network.piecesOrder(1, [pieceOf('a')]), network.topUp(CLIENT, 1, CREDIT))
      expect(under.ledger.state.deals.get(1)).toMatchObject({ status: 'active', escrow: 11n * CREDIT })
      expect(free(CLIENT)).toBe(989n * CREDIT)
    })

    it('pay a provider that proves to the ledger, and nobody for a proof of another round', async () => {
      const { deal, dealId, pieces } = await openDeal()
      await openRounds(2)
      const proof = await network.selfProof(deal, PROVIDER, pieces)
      await take(proof)
      expect(await refusal(await network.selfProof(deal, PROVIDER, pieces))).toBe('ALREADY_PROVED')
      const { outcome, paid, withheld } = resultOf(await openRound(), dealId)
      expect(outcome.kind).toBe('proved')
      const price = 100n * BigInt(deal.leafCount)
      expect(paid + withheld).toBe(price - (price * 60_000n) / 1_000_000n)
      expect(free(PROVIDER)).toBe(1000n * CREDIT + paid)
      const { id: _, validUntilRound: __, ...old } = proof.statement
      const again = network.command('SelfProof', PROVIDER, old, { proofs: proof.proofs })
      expect(await refusal(again)).toBe('WRONG_ROUND')
    })

    it('owe what was not proved, earn nothing meanwhile, and are cured by a proof of it', async () => {
      const { deal, dealId, pieces } = await openDeal()
      await openRounds(2)
      const faulted = resultOf(await openRound(), dealId)
      expect(faulted).toMatchObject({ outcome: { kind: 'fault' }, paid: 0n, withheld: 0n })
      expect(faulted.docketLeaves).toBeGreaterThan(0)
      await take(await network.selfProof(deal, PROVIDER, pieces))
      await take(await network.selfProof(deal, PROVIDER, pieces, { docket: true }))
      const cured = resultOf(await openRound(), dealId)
      expect(cured).toMatchObject({ outcome: { kind: 'proved' }, docketLeaves: 0 })
    })

    it('fail when nothing is proved for long, and the client has its escrow again', async () => {
      const { dealId } = await openDeal()
      const before = free(CLIENT)
      await openRounds(3 + network.parameters.proving.cureRounds)
      expect(under.ledger.state.deals.get(dealId)).toMatchObject({ status: 'failed', escrow: 0n, collateral: 0n })
      expect(free(CLIENT)).toBe(before + 10n * CREDIT)
      expect(await refusal(network.topUp(CLIENT, dealId, 1n))).toBe('DEAL_NOT_ACTIVE')
    })

    it('end after notice by either side, and nothing stays in them', async () => {
      const { deal, dealId, pieces } = await openDeal()
      await openRounds(2)
      expect(await refusal(network.endDeal(STRANGER, dealId))).toBe('NOT_A_PARTY')
      await take(network.endDeal(PROVIDER, dealId))
      while (under.ledger.state.deals.get(dealId)!.status === 'ending') {
        if (network.state.open!.dealIds.length > 0) await take(await network.selfProof(deal, PROVIDER, pieces))
        await openRound()
      }
      expect(under.ledger.state.deals.get(dealId)).toMatchObject({ status: 'ended', escrow: 0n, collateral: 0n })
      // Nobody verifies here: their fees are burned.
      expect(free(CLIENT) + free(PROVIDER) + under.ledger.state.burned).toBe(2000n * CREDIT)
    })
  })

  describe(`${name}: verifiers`, () => {
    it('pass a deal by quorum, each with its own word, and are paid', async () => {
      for (const verifier of VERIFIERS) await take(network.stake(verifier))
      expect(free(VERIFIER)).toBe(990n * CREDIT)
      const { dealId } = await openDeal()
      await openRounds(2)
      const commands: Command[] = []
      const { attestation } = network
      for (const verifier of VERIFIERS) {
        const command = attestation.call(network, verifier, () => 'pass')
        if ((command.statement as { verdicts: Uint8Array }).verdicts.length > 0) commands.push(command)
      }
      expect(commands).toHaveLength(network.parameters.proving.verifiersPerDeal)
      await take(...commands)
      const { verifier } = commands[0]!.statement as { verifier: `0x${string}` }
      const sameAgain = VERIFIERS.find(({ address }) => address === verifier)!
      expect(await refusal(network.attestation(sameAgain, () => 'no answer'))).toBe('ALREADY_ATTESTED')
      expect(await refusal(network.attestation(STRANGER, () => 'pass'))).toBe('NOT_ASSIGNED')
      const before = free({ address: verifier })
      const { outcome, fees } = resultOf(await openRound(), dealId)
      expect(outcome.kind).toBe('proved')
      expect(fees).toBeGreaterThan(0n)
      expect(free({ address: verifier })).toBeGreaterThan(before)
    })

    it('stake whole units', async () => {
      const { stakeUnit } = network.parameters.money
      const small = network.stake(VERIFIER, 1, { amount: stakeUnit - 1n })
      expect(await refusal(small)).toBe('STAKE_TOO_SMALL')
      await take(network.stake(VERIFIER, 2))
      expect(under.ledger.state.verifiers.get(VERIFIER.address)?.stake).toBe(2n * stakeUnit)
    })
  })

  it(`${name}: tells every entry once, in order, before its receipt`, async () => {
    const heard: number[] = []
    const end = under.ledger.subscribe(({ entry }) => heard.push(entry.sequence))
    for (let nonce = 0; nonce < 5; nonce += 1) {
      const receipt = await under.ledger.submit(network.transfer(CLIENT, ONE, 1n))
      await network.take(network.transfer(CLIENT, ONE, 1n))
      expect(heard.at(-1)).toBe(receipt.ok ? receipt.sequence : -1)
    }
    expect(heard).toEqual([1, 2, 3, 4, 5])
    end()
    await take(network.transfer(CLIENT, ONE, 1n))
    expect(heard).toHaveLength(5)
  })
}

function holder({ address }: { readonly address: `0x${string}` }) {
  return { address, amount: 1000n * CREDIT }
}
