/**
 * Public blocks for everybody who speaks IPFS: Helia's bitswap over the peer's own libp2p node.
 *
 * Helia is by far the largest dependency, 1,400 modules that take half a second and 40 MiB. It is loaded when the first
 * stream comes, which waits for it; at most providers none ever does.
 */
import type { Libp2p, StreamHandler } from '@libp2p/interface'
import type { Blockstore } from 'interface-blockstore'
import type { HeliaBitswap } from './helia-bitswap.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** What Helia's bitswap answers to. */
const BITSWAP_PROTOCOL = '/ipfs/bitswap/1.2.0'

/** Bounds on the streams of one connection. Half of its streams stay free for deals. */
const STREAM_LIMITS = { maxInboundStreams: 16, maxOutboundStreams: 16 }

/** Bounds on strangers who only ask: size of a message, entries of a wantlist. */
const LIMITS = {
  ...STREAM_LIMITS,
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

/** Binds a blockstore to bitswap. */
export function createBlockExchange(libp2p: Libp2p, blockstore: Blockstore): BlockExchange {
  let starting: Promise<HeliaBitswap> | undefined

  async function startBitswap(): Promise<HeliaBitswap> {
    try {
      const { startHeliaBitswap } = await import('./helia-bitswap.ts')
      return await startHeliaBitswap({ libp2p, blockstore, limits: LIMITS })
    } catch (error) {
      starting = undefined // the next stream tries again
      throw error
    }
  }

  const answer: StreamHandler = async (stream, connection) => {
    starting ??= startBitswap()
    try {
      const bitswap = await starting
      await bitswap.answer(stream, connection)
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  return {
    start: () => libp2p.handle(BITSWAP_PROTOCOL, answer, STREAM_LIMITS),
    async stop() {
      await libp2p.unhandle(BITSWAP_PROTOCOL)
      const bitswap = await starting?.catch(() => undefined) // who asked has heard of it
      starting = undefined
      await bitswap?.stop()
    }
  }
}
