/** What every role of a peer is built from, and what roles report. */
import { randomBytes } from 'node:crypto'
import {
  type Address,
  type Answer,
  type Clock,
  type createLateHeads,
  createRequestStreams,
  type LedgerTools,
  type NetworkDescription,
  type Protocol,
  type ProverEvent,
  parsePeerAddresses,
  request,
  type ServeOptions,
  type Signer,
  type TrafficLimiter,
  type VerifierEvent,
  type WatchEvent
} from '@holdfast/core'
import type { PeerConfig } from '../config.ts'
import type { DataDirectory } from '../data-directory.ts'
import type { SegmentLogEvent } from '../ledger/segment-log.ts'
import type { SnapshotEvent } from '../ledger/snapshot-keeper.ts'
import type { PeerNode } from '../node.ts'
import type { TransferBudget } from '../provider/transfer-budget.ts'
import type { DiskReserve, PieceStoreEvent } from '../storage/index.ts'
import type { AnnounceEvent } from './announce.ts'
import type { SelfAuditEvent } from './audit-role.ts'
import type { StakeEvent } from './keep-stake.ts'

/** What the ledger's files report. */
export type LogEvent = SegmentLogEvent | SnapshotEvent

export type PeerEvent =
  | { readonly kind: 'hasher'; readonly name: string; readonly reason?: string }
  | { readonly kind: 'log'; readonly event: LogEvent }
  | { readonly kind: 'store'; readonly event: PieceStoreEvent }
  | { readonly kind: 'prover'; readonly event: ProverEvent }
  | { readonly kind: 'audit'; readonly event: SelfAuditEvent }
  | { readonly kind: 'verifier'; readonly event: VerifierEvent }
  | { readonly kind: 'stake'; readonly address: Address; readonly event: StakeEvent }
  | { readonly kind: 'announce'; readonly event: AnnounceEvent }
  | { readonly kind: 'watch'; readonly event: WatchEvent }
  /** The ledger's host has signed two histories; the file proves it to anybody. */
  | { readonly kind: 'fork'; readonly file: string }
  /** Something failed that the peer goes on without. */
  | { readonly kind: 'error'; readonly error: unknown }

export interface PeerComponents {
  readonly directory: DataDirectory
  /** Room for ledger and index on a disk that is full. */
  readonly reserve: DiskReserve
  readonly config: PeerConfig
  readonly network: NetworkDescription
  readonly signer: Signer
  readonly privateKey: Uint8Array
  readonly tools: LedgerTools
  readonly clock: Clock
  readonly node: PeerNode
  /** Where it is reached, and by what, as it tells others. */
  readonly announced: () => string[]
  /** For all bytes that strangers have on the way. */
  readonly budget: TransferBudget
  /** For requests over HTTP. */
  readonly webLimiter: TrafficLimiter
  readonly serveOptions: ServeOptions
  /** The ledger's heads, on every message that comes or goes; the ledger's role attaches them. */
  readonly heads: ReturnType<typeof createLateHeads>
  readonly emit: (event: PeerEvent) => void
  readonly onFailure: (error: unknown) => void
  /** Ends a start that waits; a role that runs ends with the stack that it was put on. */
  readonly signal: AbortSignal | undefined
}

/** Chance, from the system. */
export function random(sizeBytes: number): Uint8Array {
  return new Uint8Array(randomBytes(sizeBytes))
}

/** Requests of one protocol to peers as the ledger names them: by their addresses. */
export function createRequester<Request, Response>(
  { node, serveOptions }: Pick<PeerComponents, 'node' | 'serveOptions'>,
  protocol: Protocol<Request, Response>
): (addresses: readonly string[], message: Request, signal: AbortSignal) => Promise<Answer<Response>> {
  const { networkId, heads } = serveOptions
  return (addresses, message, signal) =>
    request(node.libp2p, parsePeerAddresses(addresses), protocol, message, {
      networkId,
      signal,
      ...(heads !== undefined && { heads })
    })
}

/** The same over one stream a peer that stays open, for protocols whose requests come in numbers and may come twice. */
export function createStreamRequester<Request, Response>(
  life: AsyncDisposableStack,
  { node, serveOptions }: Pick<PeerComponents, 'node' | 'serveOptions'>,
  protocol: Protocol<Request, Response>
): (addresses: readonly string[], message: Request, signal: AbortSignal) => Promise<Answer<Response>> {
  const { networkId, heads } = serveOptions
  const streams = life.use(
    createRequestStreams(node.libp2p, protocol, { networkId, ...(heads !== undefined && { heads }) })
  )
  return (addresses, message, signal) => streams.request(parsePeerAddresses(addresses), message, signal)
}
