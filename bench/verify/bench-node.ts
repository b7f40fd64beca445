/** What both sides of the bench share: nodes on loopback, and the protocol that asks for one leaf a stream. */
import type { Protocol } from '@holdfast/core'
import { createNode, type PeerNode } from '@holdfast/peer'
import { z } from 'zod'
import { KIB, seededBytes } from '../harness.ts'

/** The keys of `createBenchNetwork`: a peer must be the party that it signs for. */
const SEEDS = { provider: 1_000, verifier: 9_000 }

export async function startBenchNode(role: keyof typeof SEEDS): Promise<PeerNode> {
  const node = await createNode({
    privateKey: seededBytes(32, SEEDS[role]),
    listen: ['/ip4/127.0.0.1/tcp/0']
  })
  await node.start()
  return node
}

const bytes = z.custom<Uint8Array>(value => value instanceof Uint8Array)

/** What somebody would write who has a leaf proof and libp2p: a stream for each challenge. */
export const askLeaf = {
  id: '/holdfast-bench/leaf/1',
  request: z.strictObject({ piece: z.string(), leafIndex: z.int() }),
  response: z.strictObject({ leaf: bytes, siblings: bytes }),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: 4 * KIB,
  timeoutMs: 15_000,
  streamsInboundMax: 64
} satisfies Protocol<unknown, unknown>
