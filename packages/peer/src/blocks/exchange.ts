/** Public blocks for everybody who speaks IPFS: Helia's bitswap over the peer's own libp2p node. */
import { withBitswap } from '@helia/bitswap'
import type { Libp2p } from '@libp2p/interface'
import { createHeliaLight } from 'helia'
import type { Blockstore } from 'interface-blockstore'

const KIB = 1024
const MIB = 1024 * KIB

/**
 * Bounds on strangers who only ask: streams on one connection, size of a message, entries of a wantlist. Half of a
 * connection's streams stay free for deals.
 */
const LIMITS = {
  maxInboundStreams: 16,
  maxOutboundStreams: 16,
  maxIncomingMessageSize: 2 * MIB,
  maxOutgoingMessageSize: 2 * MIB,
  maxWantlistSize: 1024,
  incomingStreamTimeout: 30_000
}

/** A thing with a life; libp2p must run before it starts and until it has stopped. */
export interface BlockExchange {
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * Binds a blockstore to bitswap. No router is configured: nothing is announced, and nothing is looked for beyond the
 * peers that are connected already.
 */
export function createBlockExchange(libp2p: Libp2p, blockstore: Blockstore): BlockExchange {
  const helia = withBitswap(Object.assign(createHeliaLight({ blockstore }), { libp2p }), LIMITS)
  return {
    async start() {
      await helia.start()
    },
    async stop() {
      await helia.stop()
    }
  }
}
