/**
 * Stores one replica with one provider: a deal, the bytes, the provider's countersignature, the ledger.
 *
 * Every step may be repeated: a deal with the provider is used again, a piece that is in it already is left out, and one
 * that was sent in part goes on from there.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { CID } from 'multiformats/cid'
import type { z } from 'zod'
import { machineClock } from '../clock.ts'
import { CoreError } from '../error.ts'
import type { Receipt } from '../ledger/ledger.ts'
import type { Deal } from '../ledger/state.ts'
import { type Statement, statementDigestOf } from '../ledger/statements.ts'
import { proposeDeal } from '../protocols/definitions.ts'
import { request } from '../protocols/engine.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import type { Answer } from '../protocols/protocol.ts'
import type { ReplicaPiece, StoreComponents } from './components.ts'
import { planReplica } from './plan-replica.ts'
import { pullFrom, uploadPiece } from './transfer-piece.ts'
import { impatient } from './transfer-terms.ts'

/** Rounds that an order of ours stays valid: long enough for a slow provider, short enough for its lease. */
const ORDER_ROUNDS = 10

/** Bytes that no order covers are a lease that runs out; a store that takes long orders what it has from time to time. */
const ORDER_AFTER_MS = 10 * 60_000

export interface ReplicaOptions {
  readonly pieces: readonly ReplicaPiece[]
  readonly leavesPerRound: number
  /** Rounds to fund at least; never less than the notice period. */
  readonly rounds: number
  /** A provider that holds the same pieces, once there is one: they are pulled from it rather than uploaded. */
  readonly source: () => Promise<Statement<'Ask'> | undefined>
  readonly signal?: AbortSignal | undefined
  /** Bytes that the provider holds, over all pieces. */
  readonly onProgress: (storedBytes: number) => void
  /** Told when a pull has failed and the piece is uploaded instead. */
  readonly onPullFailed: (from: Statement<'Ask'>, reason: string) => void
}

/**
 * @throws {CoreError} `REPLICA_FAILED` with the provider's or the ledger's reason, when this provider cannot do it;
 * `details.wasSilent` when it gave no answer
 */
export async function storeReplica(
  components: StoreComponents,
  ask: Statement<'Ask'>,
  options: ReplicaOptions
): Promise<{ dealId: number }> {
  const { ledger, signer, clock = machineClock } = components
  const plan = planReplica(ledger.state, signer.address, ask, options.pieces, options.rounds)
  if (plan.deal !== undefined && plan.deal.docket.length > 0)
    throw failed(ask, `has not proved ${plan.deal.docket.length} leaves that it owes in deal ${plan.deal.id}`)
  const deal = plan.deal ?? (await openDeal(components, ask, options))
  let storedBytes = sizeOf(options.pieces) - sizeOf(plan.missing)
  let unordered: ReplicaPiece[] = []
  let orderedMs = clock.now()
  for (const piece of plan.missing) {
    const before = storedBytes
    await transfer(components, ask, piece, deal.id, {
      ...options,
      onProgress: taken => options.onProgress(before + taken)
    })
    storedBytes += piece.rawSize
    options.onProgress(storedBytes)
    unordered.push(piece)
    if (clock.now() - orderedMs < ORDER_AFTER_MS) continue
    await addPieces(components, ask, deal.id, unordered, options)
    unordered = []
    orderedMs = clock.now()
  }
  if (unordered.length > 0) await addPieces(components, ask, deal.id, unordered, options)
  return { dealId: deal.id }
}

async function transfer(
  components: StoreComponents,
  ask: Statement<'Ask'>,
  piece: ReplicaPiece,
  dealId: number,
  { source, signal, onProgress, onPullFailed }: ReplicaOptions
): Promise<void> {
  const cid = await piece.commit(signal)
  const from = await source()
  if (from !== undefined && from.provider !== ask.provider) {
    const failure = await pullFrom(from, components, ask, piece, { dealId, signal, onProgress })
    if (failure === undefined) return
    onPullFailed(from, failure)
  }
  const answer = await uploadPiece(components, ask, piece, { dealId, signal, onProgress })
  const stored = answeredBy(ask, answer, 'store the piece')
  if (stored.cid.equals(cid)) return
  throw failed(
    ask,
    `stored ${stored.cid} where ${cid} was sent: its disk or memory is damaged, or the file here has changed`
  )
}

function sizeOf(pieces: readonly { readonly rawSize: number }[]): number {
  return pieces.reduce((sum, { rawSize }) => sum + rawSize, 0)
}

async function openDeal(
  components: StoreComponents,
  ask: Statement<'Ask'>,
  { leavesPerRound, signal }: ReplicaOptions
): Promise<Deal> {
  const { ledger, signer } = components
  const statement: Statement<'DealOrder'> = {
    client: signer.address,
    provider: ask.provider,
    ...freshId(components),
    pricePerLeafRound: ask.pricePerLeafRound,
    leavesPerRound,
    escrow: 0n // comes with the first pieces, when the price is known
  }
  const signature = signer.sign(statementDigestOf(ledger.state)('DealOrder', statement))
  const { acceptance } = await propose(components, ask, { kind: 'DealOrder', statement, signature }, signal)
  settled(
    ask,
    await ledger.submit(
      { kind: 'DealOrder', statement, signature, acceptance },
      { ...(signal !== undefined && { signal }) }
    )
  )
  return [...ledger.state.deals.values()].find(
    ({ client, orderId }) => client === signer.address && orderId === statement.id
  )!
}

async function addPieces(
  components: StoreComponents,
  ask: Statement<'Ask'>,
  dealId: number,
  pieces: readonly ReplicaPiece[],
  { rounds, signal }: ReplicaOptions
): Promise<void> {
  const { ledger, signer } = components
  // Planned again: rounds have gone by during the upload, and a deal that earns has less in escrow than it had.
  const { missing, deposit } = planReplica(ledger.state, signer.address, ask, pieces, rounds)
  const cids: CID[] = []
  for (const piece of missing) cids.push(await piece.commit(signal))
  const statement: Statement<'PiecesOrder'> = {
    client: signer.address,
    ...freshId(components),
    dealId,
    pieces: cids,
    labels: missing.map(({ label }) => label),
    deposit
  }
  const signature = signer.sign(statementDigestOf(ledger.state)('PiecesOrder', statement))
  const { acceptance } = await propose(components, ask, { kind: 'PiecesOrder', statement, signature }, signal)
  settled(
    ask,
    await ledger.submit(
      { kind: 'PiecesOrder', statement, signature, acceptance },
      { ...(signal !== undefined && { signal }) }
    )
  )
}

function freshId({ ledger, random }: StoreComponents): { id: string; validUntilRound: number } {
  return {
    id: bytesToHex(random(16)),
    validUntilRound: ledger.state.round + Math.min(ORDER_ROUNDS, ledger.state.parameters.statementRoundsMax)
  }
}

type Proposal = z.output<typeof proposeDeal.request>

async function propose(
  { node, ledger, measurements, patience = {}, clock = machineClock }: StoreComponents,
  ask: Statement<'Ask'>,
  proposal: Proposal,
  signal: AbortSignal | undefined
) {
  const askedMs = clock.now()
  const answer = await request(node, parsePeerAddresses(ask.addresses), impatient(proposeDeal, patience), proposal, {
    networkId: ledger.state.networkId,
    clock,
    ...(signal !== undefined && { signal })
  })
  // Before it signs for pieces a provider may wait for news of the ledger.
  if (answer.kind !== 'no-answer' && proposal.kind === 'DealOrder')
    measurements?.record(ask.provider, { kind: 'latency', ms: clock.now() - askedMs })
  return answeredBy(ask, answer, 'sign the order')
}

function answeredBy<T>(ask: Statement<'Ask'>, answer: Answer<T>, what: string): T {
  if (answer.kind === 'answer') return answer.value
  if (answer.kind === 'refused') throw failed(ask, `refused to ${what}: ${answer.message} (${answer.code})`)
  throw failed(ask, `did not ${what}: ${answer.reason}`, true)
}

function settled(ask: Statement<'Ask'>, receipt: Receipt): void {
  if (!receipt.ok) throw failed(ask, `the ledger refused: ${receipt.refusal.message} (${receipt.refusal.code})`)
}

/** @param wasSilent - it said nothing of its own, and may only have been busy */
function failed({ provider }: Statement<'Ask'>, reason: string, wasSilent = false): CoreError<'REPLICA_FAILED'> {
  return new CoreError('REPLICA_FAILED', `${provider}: ${reason}`, { provider, reason, wasSilent })
}
