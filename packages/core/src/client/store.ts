/**
 * Stores an object on n providers. Resolves only when all n replicas are on disk, countersigned and on the ledger; a
 * provider that fails, stalls or fills up on the way is replaced while there are others.
 *
 * What stands is read from the ledger, so that the same store goes on where it stopped, also in another process.
 */
import { CoreError } from '../error.ts'
import { askOf } from '../ledger/asks.ts'
import type { Offer } from '../placement/failure-domains.ts'
import type { ChosenProvider } from '../placement/select-providers.ts'
import type { Address } from '../schema.ts'
import type { ReplicaPiece, StoreComponents } from './components.ts'
import { measureLatencies } from './measure-latency.ts'
import { createMeasurements } from './measurements.ts'
import { placeStore, type StoreNeeds } from './place-store.ts'
import { openPullSources } from './pull-sources.ts'
import { storeReplica } from './store-replica.ts'
import { type StoredReplica, surveyObject } from './survey.ts'

export interface StoreOptions extends StoreNeeds {
  /** Leaves that each provider proves a round; see `samplesFor` for what that finds. */
  readonly leavesPerRound: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((event: StoreEvent) => void) | undefined
}

export type StoreEvent =
  /** `why` says in words what spoke for this provider. */
  | { readonly kind: 'storing'; readonly provider: Address; readonly sizeBytes: number; readonly why: string }
  | { readonly kind: 'progress'; readonly provider: Address; readonly storedBytes: number; readonly sizeBytes: number }
  /** A provider could not fetch a piece from another one; it is uploaded from here. */
  | { readonly kind: 'pullFailed'; readonly provider: Address; readonly from: Address; readonly reason: string }
  | { readonly kind: 'stored'; readonly provider: Address; readonly dealId: number }
  | { readonly kind: 'failed'; readonly provider: Address; readonly reason: string }

/** Below this a replica is uploaded at once: a pull would wait for another upload and for the ledger. */
export const PULL_SIZE_BYTES_MIN = 1024 * 1024

/**
 * @returns one entry for each replica
 * @throws {CoreError} `STORE_INCOMPLETE` when fewer than n providers could be found, or the ledger gave no answer; its
 * details name the replicas that stand (`stored`) of how many (`wanted`), and who failed and why (`failed`). The same
 * call again uses what stands
 */
export async function storeObject(components: StoreComponents, options: StoreOptions): Promise<StoredReplica[]> {
  options.signal?.throwIfAborted()
  const store = new Store(components, options)
  return await store.run()
}

class Store {
  readonly #components: StoreComponents
  readonly #options: StoreOptions
  readonly #survey: ReturnType<typeof surveyObject>
  readonly #stored: StoredReplica[]
  /** Whom this store has asked, and what came of it. */
  readonly #tried = new Map<Address, string>()
  /** Providers that gave no answer: asked once more when nobody else is left, because they may have been busy. */
  readonly #silent = new Map<Address, 'once' | 'twice'>()
  readonly #failures: { readonly provider: Address; readonly reason: string }[] = []
  /** Providers that have a replica of this store or are being sent one, with its number. */
  readonly #taken = new Map<Offer, number>()
  readonly #sources: ReturnType<typeof openPullSources>
  #placementFailure: unknown

  constructor(components: StoreComponents, options: StoreOptions) {
    const { object, replicas } = options
    const { state } = components.ledger
    this.#components = { measurements: createMeasurements(), ...components }
    this.#options = options
    this.#survey = surveyObject(state, components.signer.address, object, replicas)
    this.#stored = [...this.#survey.standing]
    this.#sources = openPullSources(this.#stored.flatMap(({ provider }) => askOf(state, provider) ?? []))
  }

  async run(): Promise<StoredReplica[]> {
    const { replicas, signal } = this.#options
    const open = replicas - this.#stored.length
    if (open === 0) return this.#stored
    await measureLatencies(this.#components, this.#options, signal)
    let chosen: readonly ChosenProvider[]
    try {
      chosen = this.#place(open)
    } catch (cause) {
      throw this.#incomplete(cause)
    }
    const results = await Promise.allSettled(
      chosen.map(async (provider, position) => this.#fill(provider, position === 0 && this.#stored.length === 0))
    )
    // Waited for all: nothing of this store may go on after it has rejected.
    signal?.throwIfAborted()
    for (const result of results) {
      if (result.status === 'fulfilled') continue
      throw result.reason instanceof CoreError ? this.#incomplete(result.reason) : result.reason
    }
    if (this.#stored.length < replicas) throw this.#incomplete(this.#placementFailure)
    return this.#stored
  }

  /** Sees one replica stored, by one provider after the other. */
  async #fill(first: ChosenProvider, isFirst: boolean): Promise<void> {
    try {
      for (let chosen: ChosenProvider | undefined = first; chosen !== undefined; chosen = this.#next()) {
        if (await this.#try(chosen, isFirst)) return
      }
    } finally {
      // Whoever uploads has given up, or is the only one left: the others must not wait for a source.
      if (isFirst) this.#sources.giveUp()
    }
  }

  /** @returns whether the replica stands */
  async #try({ offer, why }: ChosenProvider, isFirst: boolean): Promise<boolean> {
    const { object, onProgress = () => undefined } = this.#options
    const { provider } = offer
    this.#tried.set(provider, 'has a replica')
    const index = this.#indexFor(provider)
    this.#taken.set(offer, index)
    const pieces = object.replica(index)
    const sizeBytes = sizeOf(pieces)
    const pulls = !isFirst && object.areReplicasIdentical && sizeBytes >= PULL_SIZE_BYTES_MIN
    onProgress({ kind: 'storing', provider, sizeBytes, why })
    try {
      const { dealId } = await storeReplica(this.#components, offer, {
        ...this.#options,
        pieces,
        source: async () => (pulls ? this.#sources.next() : undefined),
        onProgress: storedBytes => onProgress({ kind: 'progress', provider, storedBytes, sizeBytes }),
        onPullFailed: (from, reason) => onProgress({ kind: 'pullFailed', provider, from: from.provider, reason })
      })
      this.#stored.push({ provider, dealId, index })
      this.#sources.add(offer)
      onProgress({ kind: 'stored', provider, dealId })
      return true
    } catch (error) {
      if (!(error instanceof CoreError && error.code === 'REPLICA_FAILED')) throw error
      const reason = String(error.details.reason)
      this.#taken.delete(offer)
      this.#tried.set(provider, `failed before (${reason})`)
      if (error.details.wasSilent === true) this.#silent.set(provider, this.#silent.has(provider) ? 'twice' : 'once')
      this.#failures.push({ provider, reason })
      this.#components.measurements?.record(provider, { kind: 'failure' })
      onProgress({ kind: 'failed', provider, reason })
      return false
    }
  }

  #next(): ChosenProvider | undefined {
    this.#options.signal?.throwIfAborted()
    try {
      return this.#place(1)[0]
    } catch (cause) {
      const [again] = [...this.#silent].find(([, times]) => times === 'once') ?? []
      if (again !== undefined) {
        this.#silent.set(again, 'twice')
        this.#tried.delete(again)
        return this.#next()
      }
      this.#placementFailure = cause
      return undefined
    }
  }

  #place(count: number): readonly ChosenProvider[] {
    const context = { survey: this.#survey, tried: this.#tried, beside: [...this.#taken.keys()] }
    return placeStore(this.#components, this.#options, context, count)
  }

  /** The replica that a provider has part of; else the first that nobody has or is being sent. */
  #indexFor(provider: Address): number {
    const { object } = this.#options
    if (object.areReplicasIdentical) return 0
    const partial = this.#survey.partial.get(provider)
    if (partial !== undefined) return partial
    const used = new Set([...this.#survey.used, ...this.#taken.values(), ...this.#stored.map(({ index }) => index)])
    let index = 0
    while (used.has(index)) index += 1
    return index
  }

  #incomplete(cause: unknown): CoreError<'STORE_INCOMPLETE'> {
    const { replicas: wanted } = this.#options
    const stored = this.#stored
    const reason = cause instanceof Error ? cause.message : String(cause)
    const standing = stored.map(({ provider, dealId }) => `${provider} (deal ${dealId})`).join(', ')
    return new CoreError(
      'STORE_INCOMPLETE',
      `${stored.length} of ${wanted} replicas stand${standing === '' ? '' : `: ${standing}`}. ${reason}. The same store again goes on from here.`,
      { stored: [...stored], wanted, failed: [...this.#failures] },
      { cause }
    )
  }
}

function sizeOf(pieces: readonly ReplicaPiece[]): number {
  return pieces.reduce((sum, { rawSize }) => sum + rawSize, 0)
}
