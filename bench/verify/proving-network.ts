/**
 * The ledger that provider and verifier of a turn both see: put together in each process, because all of it follows from
 * a few numbers. One provider, one verifier, as many deals as a row asks for, in the round before the one that is timed.
 */
import {
  challengesOf,
  createLedgerMachine,
  type EntryBody,
  frozenDealOf,
  type Ledger,
  type LedgerMachine,
  type LedgerTools,
  receiptOf,
  roundOpensMs,
  type Signer
} from '@holdfast/core'
import { leafCountOf } from '@holdfast/proofs'
import { CID } from 'multiformats/cid'
import { newDeal } from '../../packages/core/src/ledger/deal-rules.ts'
import { type BenchNetwork, CREDIT, createBenchNetwork } from '../ledger/bench-network.ts'
import { appendTo, openingOf } from '../ledger/many-deals.ts'

export interface BenchPiece {
  readonly cid: string
  readonly rawSize: number
}

/** A turn, as JSON can say it. */
export interface ProvingTurn {
  readonly genesisMs: number
  /** The round that is timed, 2 at least; each has leaves of its own. */
  readonly round: number
  readonly pieces: readonly BenchPiece[]
  readonly deals: number
  /** Pieces in a row that a deal holds, round the end. */
  readonly piecesPerDeal: number
  readonly leavesPerRound: number
  readonly verifierAddresses: readonly string[]
}

export interface ProvingNetwork {
  readonly ledger: Ledger
  readonly machine: LedgerMachine
  readonly provider: Signer
  readonly verifier: Signer
  readonly networkId: Uint8Array
  /** Opens the round that is timed, and tells. */
  open(): void
  /** Distinct leaves that it asks for. */
  countLeaves(): number
}

/** Deals of the first account with the second; long rounds, so that no phase but the first begins. */
export async function createProvingNetwork(turn: ProvingTurn, tools: LedgerTools): Promise<ProvingNetwork> {
  const network = createBenchNetwork({
    genesisMs: turn.genesisMs,
    roundMs: 3_600_000,
    accounts: 2,
    verifiers: 1,
    proving: { verifiersPerDeal: 1, quorum: 1 }
  })
  const machine = createLedgerMachine(network.parameters, tools)
  const { state } = machine
  appendTo(machine, { kind: 'genesis', networkId: network.networkId }, turn.genesisMs)
  addParties(machine, network, turn)
  for (let round = 1; round < turn.round; round += 1) await openRound(machine, network, round)
  const opening = await openingOf(network, turn.round)
  return {
    machine,
    provider: network.accounts[0]!,
    verifier: network.verifiers[0]!,
    networkId: network.networkId,
    ledger: {
      state,
      subscribe: listener => machine.subscribe(listener),
      async submit(command) {
        const result = machine.applyNext({ kind: 'command', command }, state.timeMs)
        if (result.ok) machine.announce([result.applied])
        return receiptOf(result)
      }
    },
    open: () => append(machine, opening, roundOpensMs(network.parameters, turn.round)),
    countLeaves: () =>
      state
        .open!.dealIds.flatMap(dealId =>
          challengesOf(state.open!.seed, frozenDealOf(state.deals.get(dealId)!, state.open!.opening))
        )
        .reduce((sum, { leafIndices }) => sum + leafIndices.length, 0)
  }
}

async function openRound(machine: LedgerMachine, network: BenchNetwork, round: number): Promise<void> {
  append(machine, await openingOf(network, round), roundOpensMs(network.parameters, round))
}

function append(machine: LedgerMachine, body: EntryBody, timeMs: number): void {
  const result = machine.applyNext(body, timeMs)
  if (!result.ok) throw new Error(result.refusal.message)
  machine.announce([result.applied])
}

function addParties({ state }: LedgerMachine, network: BenchNetwork, turn: ProvingTurn): void {
  const { money } = network.parameters
  const [provider, client] = [network.accounts[0]!.address, network.accounts[1]!.address]
  const verifier = network.verifiers[0]!.address
  state.accounts.get(verifier)!.free -= money.stakeUnit
  state.verifiers.set(verifier, {
    stake: money.stakeUnit,
    leaving: [],
    addresses: [...turn.verifierAddresses],
    operator: verifier
  })
  const pieces = turn.pieces.map(({ cid, rawSize }) => ({ cid: CID.parse(cid), rawSize }))
  const escrow = CREDIT / 1000n
  for (let index = 0; index < turn.deals; index += 1) {
    const orderId = index.toString(16).padStart(32, '0')
    const { leavesPerRound } = turn
    const deal = newDeal(state, {
      orderId,
      client,
      provider,
      operator: provider,
      pricePerLeafRound: 1n,
      leavesPerRound
    })
    deal.pieces = Array.from({ length: turn.piecesPerDeal }, (_, id) => {
      const { cid, rawSize } = pieces[(index * turn.piecesPerDeal + id) % pieces.length]!
      const openings = { fromOpening: turn.round, untilOpening: undefined }
      return { id, cid, label: orderId, rawSize, leafCount: leafCountOf(rawSize), ...openings }
    })
    for (const { leafCount, rawSize } of deal.pieces) {
      deal.leafCount += leafCount
      deal.rawSize += rawSize
    }
    Object.assign(deal, { nextPieceId: turn.piecesPerDeal, escrow })
    deal.totals.funded = escrow
    state.accounts.get(client)!.free -= escrow
  }
}
