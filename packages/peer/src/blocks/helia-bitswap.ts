/** Helia's bitswap, as much of it as answers. Loaded by exchange.ts when somebody asks. */
import { withBitswap } from '@helia/bitswap'
import type { Libp2p, StreamHandler } from '@libp2p/interface'
import { createHeliaLight } from 'helia'
import type { Blockstore } from 'interface-blockstore'

export interface HeliaBitswap {
  /** Takes over a stream that a peer has opened. */
  readonly answer: StreamHandler
  stop(): Promise<void>
}

export interface HeliaBitswapOptions {
  readonly libp2p: Libp2p
  readonly blockstore: Blockstore
  readonly limits: Parameters<typeof withBitswap>[1]
}

/**
 * Starts Helia over a node that hands streams on by itself: the handler that Helia registers is what comes back. No router
 * is configured: nothing is announced, and nothing is looked for beyond the peers that are connected already.
 */
export async function startHeliaBitswap({ libp2p, blockstore, limits }: HeliaBitswapOptions): Promise<HeliaBitswap> {
  let answer: StreamHandler | undefined
  const node = new Proxy(libp2p, {
    get(target, name) {
      if (name === 'handle') {
        return async (_: string | string[], handler: StreamHandler) => {
          answer = handler
        }
      }
      if (name === 'unhandle') return async () => undefined
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
  const helia = withBitswap(Object.assign(createHeliaLight({ blockstore }), { libp2p: node }), limits)
  await helia.start()
  if (answer === undefined) throw new TypeError('Helia registers no handler for bitswap any more')
  return {
    answer,
    async stop() {
      await helia.stop()
    }
  }
}
