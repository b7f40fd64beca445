/** A devnet of real processes for one test file, its client, and what its peers say. */
import type { DealResult, Ledger } from '@holdfast/core'
import { type Client, createClient } from '@holdfast/peer/client'
import { awaitAsks } from '../../packages/peer/dist/devnet/await-asks.js'
import type { ChildEvent } from '../../packages/peer/dist/devnet/child-process.js'
import {
  type Devnet,
  type DevnetOptions,
  type DevnetPeer,
  startDevnet
} from '../../packages/peer/dist/devnet/devnet.js'
import { temporaryDirectory } from '../../packages/peer/test/temporary-directory.ts'

/** A round that two busy cores prove in time. */
export const TEST_ROUND_MS = 3_000
/** For tests that store and read only: no round closes in one of them. */
export const STANDING_ROUND_MS = 600_000
/** Round 1 of such a network opens after the test: what its providers ask counts at once. */
const STANDING_START_MS = 600_000

export interface TestDevnet extends AsyncDisposable {
  /** For files of the test; gone with the devnet. */
  readonly directory: string
  readonly devnet: Devnet
  readonly client: Client
  readonly ledger: Ledger
  /** Resolves with the next event of a peer that passes; past ones do not count. */
  nextEvent(peer: DevnetPeer, passes: (event: ChildEvent) => boolean): Promise<ChildEvent>
  /** Resolves with what the next round to close says of every deal; `passes` chooses a later one. */
  nextRound(passes?: (round: number, results: readonly DealResult[]) => boolean): Promise<readonly DealResult[]>
}

export async function startTestDevnet(
  options: Pick<DevnetOptions, 'providers' | 'roundMs' | 'allocate' | 'auditDays' | 'looksPerHour'>
): Promise<TestDevnet> {
  await using life = new AsyncDisposableStack()
  const { path } = life.use(await temporaryDirectory())
  const listeners = new Set<(peer: DevnetPeer, event: ChildEvent) => void>()
  const onEvent = (peer: DevnetPeer, event: ChildEvent) => {
    for (const listener of [...listeners]) listener(peer, event)
  }
  const devnet = life.use(
    await startDevnet({
      ...(options.roundMs === STANDING_ROUND_MS && { startMs: STANDING_START_MS }),
      ...options,
      directory: path,
      onEvent
    })
  )
  const client = life.use(await createClient({ network: devnet.network, key: devnet.clientKeyFile }))
  const ledger = await client.ledger()
  await awaitAsks(ledger, options.providers)
  const started = life.move()
  return {
    directory: path,
    devnet,
    client,
    ledger,
    nextEvent(peer, passes) {
      const { promise, resolve } = Promise.withResolvers<ChildEvent>()
      const listener = (from: DevnetPeer, event: ChildEvent) => {
        if (from.name === peer.name && passes(event)) resolve(event)
      }
      listeners.add(listener)
      return promise.finally(() => listeners.delete(listener))
    },
    nextRound(passes = () => true) {
      const { promise, resolve } = Promise.withResolvers<readonly DealResult[]>()
      const end = ledger.subscribe(({ events }) => {
        for (const event of events)
          if (event.kind === 'roundClosed' && passes(event.round, event.results)) resolve(event.results)
      })
      return promise.finally(end)
    },
    [Symbol.asyncDispose]: () => started.disposeAsync()
  }
}

export const isPaid = ({ outcome, paid }: DealResult) => outcome.kind === 'proved' && paid > 0n
export const isFault = ({ outcome }: DealResult) => outcome.kind === 'fault'
