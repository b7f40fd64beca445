/**
 * Gives the public blocks that this peer keeps to everybody who speaks HTTP: every provider on the port of libp2p, under TLS, and
 * whoever has the role of a gateway without it, on a port of its own.
 */
import type { RequestListener } from 'node:http'
import { createConnectionGate, type TrafficLimiter } from '@holdfast/core'
import type { PeerConfig } from '../config.ts'
import { listenPublicly, type PublicListener } from '../gateway/public-listener.ts'
import { createTrustlessGateway } from '../gateway/trustless-gateway.ts'
import type { TransferBudget } from '../provider/transfer-budget.ts'
import { createPieceBlockstore, type PeerStore } from '../storage/index.ts'

export interface GatewayParts {
  readonly store: PeerStore['store']
  readonly budget: TransferBudget
  /** For all that is answered over HTTP: who asks so takes no stream from those who come over libp2p. */
  readonly limiter: TrafficLimiter
  readonly onError: (error: unknown) => void
}

/** Answers with public blocks. */
export function createGateway({ store, ...parts }: GatewayParts): RequestListener {
  return createTrustlessGateway({ store, blocks: createPieceBlockstore(store), ...parts })
}

/** @throws {PeerError} `PORT_IN_USE`, `LISTEN_FAILED` */
export function listenPlainly(
  { gateway }: Pick<PeerConfig, 'gateway'>,
  listener: RequestListener
): Promise<PublicListener> {
  return listenPublicly(gateway.listen, listener, createConnectionGate())
}
