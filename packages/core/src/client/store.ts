/**
 * Stores an object on n providers. Resolves only when all n replicas are on disk, countersigned and on the ledger; a
 * provider that fails on the way is replaced while there are others.
 */
import { CoreError } from '../error.ts'
import type { Signer } from '../identity.ts'
import { asksInForce } from '../ledger/asks.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { isPresent } from '../ledger/piece-rules.ts'
import type { LedgerState } from '../ledger/state.ts'
import type { Statement } from '../ledger/statements.ts'
import { selectProviders } from '../placement/select-providers.ts'
import type { Address } from '../schema.ts'
import type { StoreComponents, StoredObject } from './components.ts'
import { planReplica } from './plan-replica.ts'
import { storeReplica } from './store-replica.ts'

export interface StoreOptions {
  readonly object: StoredObject
  readonly replicas: number
  /** Leaves that each provider proves a round; see `samplesFor` for what that finds. */
  readonly leavesPerRound: number
  /** Rounds to fund at least; never less than the notice period. */
  readonly rounds: number
  readonly pricePerLeafRoundMax?: bigint
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (event: StoreEvent) => void
}

export type StoreEvent =
  | { readonly kind: 'storing'; readonly provider: Address; readonly sizeBytes: number }
  | { readonly kind: 'progress'; readonly provider: Address; readonly storedBytes: number; readonly sizeBytes: number }
  | { readonly kind: 'stored'; readonly provider: Address; readonly dealId: number }
  | { readonly kind: 'failed'; readonly provider: Address; readonly reason: string }

export interface StoredReplica {
  readonly provider: Address
  readonly dealId: number
}

/** What storing an object on n providers costs, at the prices that they ask now, beside what the client pays them already. */
export interface StoreQuote {
  readonly providers: readonly Address[]
  /** Of all replicas together, in atto. */
  readonly pricePerRound: bigint
  /** Moved to escrow at once; what is not used comes back. */
  readonly escrow: bigint
  readonly fundedRounds: number
}

type Needs = Pick<StoreOptions, 'object' | 'replicas' | 'rounds' | 'pricePerLeafRoundMax'>

/** Whose store it is, and on which ledger. */
export interface QuoteComponents {
  readonly ledger: Pick<Ledger, 'state'>
  readonly signer: Pick<Signer, 'address'>
}

/** @throws {CoreError} `NO_PLACEMENT` with the reason, when there are not enough providers that fit */
export function quoteStore(components: QuoteComponents, needs: Needs): StoreQuote {
  const { chosen } = place(components, needs, new Map(), needs.replicas)
  const { ledger, signer } = components
  const plans = chosen.map(ask => planReplica(ledger.state, signer.address, ask, needs.object, needs.rounds))
  return {
    providers: chosen.map(({ provider }) => provider),
    pricePerRound: plans.reduce((sum, plan) => sum + plan.pricePerRound, 0n),
    escrow: plans.reduce((sum, plan) => sum + plan.deposit, 0n),
    fundedRounds: plans[0]!.fundedRounds
  }
}

/**
 * @returns one entry for each replica
 * @throws {CoreError} `STORE_INCOMPLETE` when fewer than n providers could be found, or the ledger gave no answer; its
 * details name the replicas that stand, and the same call again uses them
 */
export async function storeObject(components: StoreComponents, options: StoreOptions): Promise<StoredReplica[]> {
  const { object, onProgress = () => undefined, signal } = options
  const sizeBytes = sizeOf(object)
  const excluded = new Map<Address, string>()
  const stored: StoredReplica[] = []

  async function tryProvider(ask: Statement<'Ask'>): Promise<void> {
    const { provider } = ask
    excluded.set(provider, 'has a replica')
    onProgress({ kind: 'storing', provider, sizeBytes })
    try {
      const report = (storedBytes: number) => onProgress({ kind: 'progress', provider, storedBytes, sizeBytes })
      const { dealId } = await storeReplica(components, ask, { ...options, onProgress: report })
      stored.push({ provider, dealId })
      onProgress({ kind: 'stored', provider, dealId })
    } catch (error) {
      if (!(error instanceof CoreError && error.code === 'REPLICA_FAILED')) throw error
      const reason = String(error.details.reason)
      excluded.set(provider, `failed before (${reason})`)
      onProgress({ kind: 'failed', provider, reason })
    }
  }

  while (stored.length < options.replicas) {
    signal?.throwIfAborted()
    let chosen: readonly Statement<'Ask'>[]
    try {
      chosen = place(components, options, excluded, options.replicas - stored.length).chosen
    } catch (cause) {
      throw incomplete(stored, options.replicas, cause)
    }
    try {
      await settleAll(chosen.map(tryProvider))
    } catch (cause) {
      signal?.throwIfAborted()
      throw cause instanceof CoreError ? incomplete(stored, options.replicas, cause) : cause
    }
  }
  return stored
}

/** Waits for all, also when one fails: nothing of this store may go on after it has rejected. */
async function settleAll(attempts: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(attempts)).find(result => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

function place(
  { ledger, signer }: QuoteComponents,
  { object, pricePerLeafRoundMax }: Needs,
  excluded: ReadonlyMap<Address, string>,
  count: number
) {
  const placement = selectProviders(asksInForce(ledger.state), {
    count,
    sizeBytes: sizeOf(object),
    excluded,
    preferred: providersWithPieces(ledger.state, signer.address, object),
    ...(pricePerLeafRoundMax !== undefined && { pricePerLeafRoundMax })
  })
  if (!placement.ok) throw new CoreError('NO_PLACEMENT', placement.reason, { rejected: placement.rejected })
  return placement
}

function providersWithPieces(state: LedgerState, client: Address, object: StoredObject): Set<Address> {
  const wanted = new Set(object.pieces.map(({ cid }) => cid.toString()))
  const holding = [...state.deals.values()].filter(
    deal =>
      deal.client === client &&
      deal.status === 'active' &&
      deal.pieces.some(piece => isPresent(piece) && wanted.has(piece.cid.toString()))
  )
  return new Set(holding.map(({ provider }) => provider))
}

function incomplete(stored: readonly StoredReplica[], wanted: number, cause: unknown): CoreError<'STORE_INCOMPLETE'> {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const standing = stored.map(({ provider, dealId }) => `${provider} (deal ${dealId})`).join(', ')
  return new CoreError(
    'STORE_INCOMPLETE',
    `${stored.length} of ${wanted} replicas stand${standing === '' ? '' : `: ${standing}`}. ${reason}. The same store again goes on from here.`,
    { stored, wanted },
    { cause }
  )
}

function sizeOf(object: StoredObject): number {
  return object.pieces.reduce((sum, { rawSize }) => sum + rawSize, 0)
}
