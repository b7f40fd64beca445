/**
 * Makes private pieces again that their providers say they lost: reads a surviving replica, turns it into the lost one and
 * sends that to the provider whose deal names it. Nothing changes on the ledger: the deal goes on.
 *
 * Works with the repair key alone and so reads nothing. It takes the account of the deals, though: a provider tells its
 * client what it lost, and takes bytes from nobody else.
 */
import type { NodeHasher } from '@holdfast/proofs'
import { CoreError } from '../error.ts'
import type { SignatureVerifier } from '../identity.ts'
import { newestAskOf } from '../ledger/asks.ts'
import { createStatementDigest } from '../ledger/statements.ts'
import {
  deriveLabel,
  type PieceCiphers,
  type PieceReplica,
  type RepairReference,
  repairReplica
} from '../pieces/index.ts'
import { askRepairNotices } from '../provider/repair-notice.ts'
import type { Address } from '../schema.ts'
import type { StoreComponents } from './components.ts'
import { createPermits, toReplica } from './locate-pieces.ts'
import { findHeldPieces, type HeldPiece } from './object-deals.ts'
import { type PlannedRepair, planRepairs } from './plan-repairs.ts'
import { permissionEnd, uploadPiece } from './transfer-piece.ts'

/** That a provider has to say what it lost: most say nothing, at once. */
const NOTICES_MS_MAX = 10_000

export interface RepairComponents extends StoreComponents {
  readonly verifier: SignatureVerifier
  readonly ciphers: PieceCiphers
  readonly nodeHasher: NodeHasher
}

/** A piece that a provider lost. */
export interface LostPiece {
  /** PieceCIDv2 as text. */
  readonly piece: string
  readonly rawSize: number
  readonly dealId: number
  readonly provider: Address
}

export type RepairEvent =
  | (LostPiece & { readonly kind: 'repairing'; readonly from: Address })
  | (LostPiece & { readonly kind: 'progress'; readonly sentBytes: number })
  | (LostPiece & { readonly kind: 'sourceFailed'; readonly from: Address; readonly reason: string })
  | (LostPiece & { readonly kind: 'repaired'; readonly from: Address })
  | (LostPiece & { readonly kind: 'failed'; readonly reason: string })

export interface RepairOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((event: RepairEvent) => void) | undefined
}

export interface RepairResult {
  readonly repaired: readonly (LostPiece & { readonly from: Address })[]
  /** What could not be made again now, and why. */
  readonly failed: readonly (LostPiece & { readonly reason: string })[]
}

/**
 * Asks the providers of these objects what they lost, and makes it again, one piece after the other. A provider that does
 * not answer has said nothing; a piece that it wrongly says is lost is only sent again.
 *
 * @param references - of private objects; of public ones there is nothing to do, their providers get pieces by themselves
 */
export async function repairObjects(
  components: RepairComponents,
  references: readonly RepairReference[],
  { signal, onProgress = () => undefined }: RepairOptions = {}
): Promise<RepairResult> {
  const { node, ledger, signer, verifier } = components
  const { state } = ledger
  const objects = references.map(reference => ({
    reference,
    held: findHeldPieces(state, reference, signer.address)
  }))
  const deals = new Set(objects.flatMap(({ held }) => held.map(({ deal }) => deal)))
  const asking = AbortSignal.timeout(NOTICES_MS_MAX)
  const notices = await askRepairNotices(
    {
      node,
      state,
      verifier,
      networkId: state.networkId,
      signal: signal === undefined ? asking : AbortSignal.any([signal, asking])
    },
    [...deals]
  )
  signal?.throwIfAborted()
  const repaired: RepairResult['repaired'][number][] = []
  const failed: RepairResult['failed'][number][] = []
  for (const { reference, held } of objects) {
    for (const planned of planRepairs(held, notices)) {
      const lost = describe(planned.lost)
      const made = await repairOne(components, reference, planned, { signal, onProgress })
      if (made.ok) repaired.push({ ...lost, from: made.from })
      else {
        failed.push({ ...lost, reason: made.reason })
        onProgress({ ...lost, kind: 'failed', reason: made.reason })
      }
    }
  }
  return { repaired, failed }
}

function describe({ deal, piece }: HeldPiece): LostPiece {
  return { piece: piece.cid.toString(), rawSize: piece.rawSize, dealId: deal.id, provider: deal.provider }
}

type Made = { readonly ok: true; readonly from: Address } | { readonly ok: false; readonly reason: string }

async function repairOne(
  components: RepairComponents,
  reference: RepairReference,
  { lost, sources }: PlannedRepair,
  { signal, onProgress }: Required<Pick<RepairOptions, 'onProgress'>> & { readonly signal: AbortSignal | undefined }
): Promise<Made> {
  const said = describe(lost)
  let reason = 'no other replica of this piece is left: store the object again while you still have it'
  for (const source of sources) {
    const from = source.deal.provider
    onProgress?.({ ...said, kind: 'repairing', from })
    const failure = await sendFrom(components, reference, lost, source, {
      signal,
      onProgress: sentBytes => onProgress?.({ ...said, kind: 'progress', sentBytes })
    })
    if (failure === undefined) {
      onProgress?.({ ...said, kind: 'repaired', from })
      return { ok: true, from }
    }
    reason = failure.reason
    if (!failure.isOfSource) break
    onProgress?.({ ...said, kind: 'sourceFailed', from, reason })
  }
  return { ok: false, reason }
}

/** @returns undefined when the provider has the piece again, else why not, and whether another source may do */
async function sendFrom(
  components: RepairComponents,
  reference: RepairReference,
  { place, deal, piece }: HeldPiece,
  source: HeldPiece,
  { signal, onProgress }: { signal: AbortSignal | undefined; onProgress: (sentBytes: number) => void }
): Promise<{ readonly reason: string; readonly isOfSource: boolean } | undefined> {
  const { ledger, ciphers, nodeHasher } = components
  const { cid, rawSize, leafCount } = piece
  const ask = newestAskOf(ledger.state, deal.provider)
  if (ask === undefined) return { reason: 'the provider announces no address', isOfSource: false }
  const { repairKey, layout } = reference
  const from = toSource(components, reference, source)
  const made = (offset: number) =>
    skip(
      repairReplica({
        ciphers,
        repairKey,
        layout,
        piece: place.piece,
        from,
        to: place.replica,
        cid,
        nodeHasher,
        signal
      }),
      offset
    )
  const replica = {
    label: deriveLabel(repairKey, place),
    rawSize,
    leafCount,
    cid,
    commit: async () => cid,
    read: made
  }
  try {
    const answer = await uploadPiece(components, ask, replica, { dealId: deal.id, mends: cid, signal, onProgress })
    if (answer.kind === 'answer') return undefined
    const reason =
      answer.kind === 'refused'
        ? `the provider refused the piece: ${answer.message} (${answer.code})`
        : `the provider did not take the piece: ${answer.reason}`
    return { reason, isOfSource: false }
  } catch (error) {
    signal?.throwIfAborted()
    const isOfSource =
      error instanceof CoreError && (error.code === 'PROVIDER_FAILED' || error.code === 'REPAIR_MISMATCH')
    if (!isOfSource) throw error
    return { reason: error.message, isOfSource }
  }
}

/** The surviving replica, each range bound to its PieceCID, so that a wrong byte of it goes nowhere. */
function toSource(
  components: RepairComponents,
  { repairKey }: RepairReference,
  { place, deal, piece }: HeldPiece
): PieceReplica {
  const { state } = components.ledger
  const { networkId } = state
  const reader = components.signer.address
  const permit = createPermits(
    { reader, digestOf: createStatementDigest(networkId), validUntilRound: () => permissionEnd(state) },
    repairKey
  )
  const { provider, id: dealId } = deal
  const addresses = newestAskOf(state, provider)?.addresses ?? []
  return toReplica({ ...components, networkId, reader }, permit, {
    place,
    cid: piece.cid,
    sizeBytes: piece.rawSize,
    dealId,
    provider,
    addresses
  })
}

/** Of a piece whose upload goes on, what the provider has already is made again all the same: its hash needs all of it. */
async function* skip(chunks: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let left = sizeBytes
  for await (const chunk of chunks) {
    const skipped = Math.min(left, chunk.length)
    left -= skipped
    if (skipped < chunk.length) yield chunk.subarray(skipped)
  }
}
