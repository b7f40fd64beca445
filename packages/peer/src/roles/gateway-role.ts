/** The role of a gateway: gives the public blocks that this peer keeps to everybody who speaks HTTP. */
import { type Clock, createConnectionGate, createTrafficLimiter, TRAFFIC_TERMS } from '@holdfast/core'
import type { PeerConfig } from '../config.ts'
import { listenPublicly, type PublicListener } from '../gateway/public-listener.ts'
import { createTrustlessGateway } from '../gateway/trustless-gateway.ts'
import type { TransferBudget } from '../provider/transfer-budget.ts'
import { createPieceBlockstore, type PeerStore } from '../storage/index.ts'

export interface GatewayParts {
  readonly config: Pick<PeerConfig, 'gateway'>
  readonly store: PeerStore['store']
  readonly budget: TransferBudget
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

/** @throws {PeerError} `PORT_IN_USE`, `LISTEN_FAILED` */
export function startGateway({ config, store, clock, ...parts }: GatewayParts): Promise<PublicListener> {
  // Its own: who offends here has no peer's id to be shut out by, and takes no stream from those who have one.
  const limiter = createTrafficLimiter(TRAFFIC_TERMS, clock)
  const listener = createTrustlessGateway({ store, blocks: createPieceBlockstore(store), limiter, ...parts })
  return listenPublicly(config.gateway.listen, listener, createConnectionGate())
}
