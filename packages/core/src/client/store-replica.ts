/**
 * Stores one replica with one provider: a deal, the bytes, the provider's countersignature, the ledger.
 *
 * Every step may be repeated: a deal with the provider is used again, and a piece that is in it already is left out.
 */
import type { Libp2p } from '@libp2p/interface'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { z } from 'zod'
import { CoreError } from '../error.ts'
import type { Ledger, Receipt } from '../ledger/ledger.ts'
import type { Deal } from '../ledger/state.ts'
import type { Statement } from '../ledger/statements.ts'
import { statementDigestOf } from '../ledger/statements.ts'
import { proposeDeal, storePiece } from '../protocols/definitions.ts'
import { request } from '../protocols/engine.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import type { Answer } from '../protocols/protocol.ts'
import { upload } from '../protocols/upload.ts'
import type { StoreComponents, StoredObject } from './components.ts'
import { planReplica } from './plan-replica.ts'

/** Rounds that an order of ours stays valid: long enough for a slow provider, short enough for its lease. */
const ORDER_ROUNDS = 10

export interface ReplicaOptions {
  readonly object: StoredObject
  readonly leavesPerRound: number
  /** Rounds to fund at least; never less than the notice period. */
  readonly rounds: number
  readonly signal?: AbortSignal | undefined
  /** Bytes that the provider has acknowledged, over all pieces. */
  readonly onProgress?: (storedBytes: number) => void
}

/** @throws {CoreError} `REPLICA_FAILED` with the provider's or the ledger's reason, when this provider cannot do it */
export async function storeReplica(
  components: StoreComponents,
  ask: Statement<'Ask'>,
  options: ReplicaOptions
): Promise<{ dealId: number }> {
  const { object, signal } = options
  const { ledger, signer } = components
  const plan = planReplica(ledger.state, signer.address, ask, object, options.rounds)
  if (plan.deal !== undefined && plan.deal.docket.length > 0)
    throw failed(ask, `has not proved ${plan.deal.docket.length} leaves that it owes in deal ${plan.deal.id}`)
  const deal = plan.deal ?? (await openDeal(components, ask, options))
  let storedBytes = sizeOf(object.pieces) - sizeOf(plan.missing)
  for (const piece of plan.missing) {
    const before = storedBytes
    const answer = await upload(
      components.node,
      peerOf(ask),
      storePiece,
      { dealId: deal.id, sizeBytes: piece.rawSize },
      offset => object.readPiece(piece.index, offset),
      {
        networkId: ledger.state.networkId,
        ...(signal !== undefined && { signal }),
        onProgress: acknowledgedBytes => options.onProgress?.(before + acknowledgedBytes)
      }
    )
    const stored = answeredBy(ask, answer, 'store the piece')
    if (!stored.cid.equals(piece.cid)) {
      throw failed(
        ask,
        `stored ${stored.cid} where ${piece.cid} was sent: its disk or memory is damaged, or the file here has changed`
      )
    }
    storedBytes += piece.rawSize
    options.onProgress?.(storedBytes)
  }
  if (plan.missing.length > 0) await addPieces(components, ask, deal.id, options)
  return { dealId: deal.id }
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
  { object, rounds, signal }: ReplicaOptions
): Promise<void> {
  const { ledger, signer } = components
  // Planned again: rounds have gone by during the upload, and a deal that earns has less in escrow than it had.
  const { missing, deposit } = planReplica(ledger.state, signer.address, ask, object, rounds)
  const statement: Statement<'PiecesOrder'> = {
    client: signer.address,
    ...freshId(components),
    dealId,
    pieces: missing.map(({ cid }) => cid),
    labels: missing.map(() => object.root.bytes),
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
  { node, ledger }: { node: Pick<Libp2p, 'dialProtocol'>; ledger: Ledger },
  ask: Statement<'Ask'>,
  proposal: Proposal,
  signal: AbortSignal | undefined
) {
  const answer = await request(node, peerOf(ask), proposeDeal, proposal, {
    networkId: ledger.state.networkId,
    ...(signal !== undefined && { signal })
  })
  return answeredBy(ask, answer, 'sign the order')
}

function peerOf(ask: Statement<'Ask'>) {
  return parsePeerAddresses(ask.addresses)
}

function answeredBy<T>(ask: Statement<'Ask'>, answer: Answer<T>, what: string): T {
  if (answer.kind === 'answer') return answer.value
  throw failed(
    ask,
    answer.kind === 'refused'
      ? `refused to ${what}: ${answer.message} (${answer.code})`
      : `did not ${what}: ${answer.reason}`
  )
}

function settled(ask: Statement<'Ask'>, receipt: Receipt): void {
  if (!receipt.ok) throw failed(ask, `the ledger refused: ${receipt.refusal.message} (${receipt.refusal.code})`)
}

function failed({ provider }: Statement<'Ask'>, reason: string): CoreError<'REPLICA_FAILED'> {
  return new CoreError('REPLICA_FAILED', `${provider}: ${reason}`, { provider, reason })
}
