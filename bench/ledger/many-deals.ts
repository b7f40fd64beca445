/** A ledger with as many deals as a row asks for: put together, not played, because signing them all would take minutes. */
import {
  type Address,
  beaconRoundOf,
  countAssignedTo,
  createLedgerMachine,
  type EntryBody,
  encodeEntry,
  encodeVerdicts,
  type LedgerMachine,
  type LedgerState,
  type LedgerTools,
  roundOpensMs
} from '@holdfast/core'
import { createPieceHasher, portableNodeHasher } from '@holdfast/proofs'
import { newDeal } from '../../packages/core/src/ledger/deal-rules.ts'
import { assignmentOf } from '../../packages/core/src/ledger/proof-rules.ts'
import { seededBytes } from '../harness.ts'
import { type BenchNetwork, CREDIT } from './bench-network.ts'

const PIECE_SIZE_BYTES = 3000
const PROVIDERS = 100

export interface ManyDeals {
  readonly machine: LedgerMachine
  /** The entries that the machine has applied, encoded. */
  readonly payloads: readonly Uint8Array[]
}

/** In round 2, the first that challenges the deals; every verifier has one place. */
export async function createManyDeals(network: BenchNetwork, count: number, tools: LedgerTools): Promise<ManyDeals> {
  const { parameters } = network
  const machine = createLedgerMachine(parameters, tools)
  const payloads: Uint8Array[] = []
  const append = (body: EntryBody, timeMs: number) => payloads.push(appendTo(machine, body, timeMs))
  append({ kind: 'genesis', networkId: network.networkId }, parameters.genesisMs)
  addVerifiers(machine.state, network)
  addDeals(machine.state, network, count)
  for (const round of [1, 2]) append(await openingOf(network, round), roundOpensMs(parameters, round))
  while (machine.state.closing !== undefined) append({ kind: 'settle', count: 1024 }, machine.state.timeMs)
  return { machine, payloads }
}

/** @returns the entry, encoded; throws for one that is refused */
export function appendTo(machine: LedgerMachine, body: EntryBody, timeMs: number): Uint8Array {
  const result = machine.applyNext(body, timeMs)
  if (!result.ok) throw new Error(result.refusal.message)
  return encodeEntry(result.applied.entry)
}

export async function openingOf({ parameters, beacon }: BenchNetwork, round: number): Promise<EntryBody> {
  return { kind: 'openRound', round, beaconSignature: await beacon.signatureOf(beaconRoundOf(parameters, round)) }
}

function addVerifiers(state: LedgerState, { verifiers, parameters }: BenchNetwork): void {
  // One place, and something to lose: who is silent in a round must not lose its place by it.
  const stake = (3n * parameters.money.stakeUnit) / 2n
  for (const { address } of verifiers) {
    state.accounts.get(address)!.free -= stake
    state.verifiers.set(address, { stake, leaving: [], addresses: [], operator: address })
  }
}

function addDeals(state: LedgerState, { accounts }: BenchNetwork, count: number): void {
  const client = accounts[0]!.address
  const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
  hasher.update(seededBytes(PIECE_SIZE_BYTES))
  const { cid } = hasher.digest()
  const leafCount = Math.ceil(PIECE_SIZE_BYTES / 32)
  const escrow = CREDIT / 1000n
  for (let index = 0; index < count; index += 1) {
    const provider: Address = `0x${(1 + (index % PROVIDERS)).toString(16).padStart(40, '0')}`
    const orderId = index.toString(16).padStart(32, '0')
    const deal = newDeal(state, {
      orderId,
      client,
      provider,
      operator: provider,
      pricePerLeafRound: 100n,
      leavesPerRound: 5
    })
    const piece = { id: 0, cid, label: orderId, rawSize: PIECE_SIZE_BYTES, leafCount, fromOpening: 2 }
    Object.assign(deal, { pieces: [{ ...piece, untilOpening: undefined }], nextPieceId: 1, leafCount, escrow })
    deal.rawSize = PIECE_SIZE_BYTES
    deal.totals.funded = escrow
    state.accounts.get(client)!.free -= escrow
  }
}

/** What each verifier says of the open round: all proofs were good. */
export function attestationsOf(network: BenchNetwork, state: LedgerState) {
  const { round } = state
  const assignment = assignmentOf(state, state.open!)
  return network.verifiers
    .map(verifier => ({ verifier, count: countAssignedTo(assignment, verifier.address) }))
    .filter(({ count }) => count > 0)
    .map(({ verifier, count }) => ({
      count,
      command: network.sign('Attestation', verifier, {
        verifier: verifier.address,
        id: `a${round.toString(16).padStart(31, '0')}`,
        validUntilRound: round + 1,
        round,
        verdicts: encodeVerdicts(new Array(count).fill('pass')),
        transcripts: seededBytes(32, round)
      })
    }))
}
