/** The ledger as a client follows it: begun by the first who asks, with what the rounds said of each deal. */
import {
  abortable,
  createFollower,
  createLateHeads,
  createNetworkSources,
  createProofHistory,
  createVerificationHistory,
  type HostConnection,
  type Ledger,
  type LedgerTools,
  machineClock,
  type NetworkParameters,
  type ProofHistory,
  type VerificationHistory
} from '@holdfast/core'
import type { CallOptions } from './client-types.ts'

export interface FollowedLedger {
  readonly ledger: Ledger
  readonly history: ProofHistory
  readonly verifications: Pick<VerificationHistory, 'of'>
}

export interface FollowOptions {
  readonly parameters: NetworkParameters
  readonly connection: HostConnection
  readonly tools: LedgerTools
  readonly signal: AbortSignal | undefined
  readonly onUnreachable: ((error: Error) => void) | undefined
}

/**
 * @returns a function whose first call catches up with the host, and whose later ones give the same ledger. A dropped
 * signal ends the waiting of its own call; the following goes on for the others, until the client's end
 */
export function followLazily(
  life: AsyncDisposableStack,
  options: FollowOptions
): (call?: CallOptions) => Promise<FollowedLedger> {
  const { parameters, connection, tools, signal, onUnreachable } = options
  let following: Promise<FollowedLedger> | undefined
  /** Those that wait for the ledger now. */
  const waiting = new Set<NonNullable<CallOptions['onProgress']>>()

  async function follow(): Promise<FollowedLedger> {
    const heads = createLateHeads()
    const follower = createFollower({
      parameters,
      source: createNetworkSources({ ...connection, heads }, machineClock).any,
      tools,
      clock: machineClock,
      ...(onUnreachable !== undefined && { onUnreachable })
    })
    heads.attach(follower.heads)
    life.use(follower)
    const history = life.use(createProofHistory(follower))
    const verifications = createVerificationHistory()
    life.defer(follower.subscribe(applied => verifications.note(applied, follower.state)))
    const { state } = follower
    const end = follower.subscribe(() => {
      for (const tell of [...waiting]) tell({ kind: 'catchingUp', entries: state.sequence, round: state.round })
    })
    try {
      await follower.start(signal)
      return { ledger: follower, history, verifications }
    } catch (error) {
      following = undefined
      await follower.stop()
      throw error
    } finally {
      end()
    }
  }

  return async ({ signal: abort, onProgress } = {}) => {
    abort?.throwIfAborted()
    following ??= follow()
    if (onProgress === undefined) return await abortable(following, abort)
    waiting.add(onProgress)
    try {
      return await abortable(following, abort)
    } finally {
      waiting.delete(onProgress)
    }
  }
}
