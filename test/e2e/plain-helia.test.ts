/** Whoever speaks IPFS reads what Holdfast stores: the reader here is Helia, and no line of Holdfast runs in it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { newestAskOf } from '@holdfast/core'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeSampleTree } from './sample-tree.ts'
import { STANDING_ROUND_MS, startTestDevnet, type TestDevnet } from './test-devnet.ts'

/** One file below a root CID, as a plain IPFS node reads it from the peer at these addresses. */
async function readOverBitswap(
  addresses: readonly string[],
  root: string,
  path: string,
  signal: AbortSignal
): Promise<Buffer> {
  const helia = await withBitswap(
    withLibp2pLight(createHeliaLight({ blockstore: new MemoryBlockstore() }), {
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() }
    })
  ).start()
  try {
    await helia.libp2p.dial(
      addresses.map(address => multiaddr(address)),
      { signal }
    )
    const files = unixfs(helia)
    const cid = CID.parse(root) as Parameters<typeof files.cat>[0]
    const chunks: Uint8Array[] = []
    for await (const chunk of files.cat(cid, { path, signal })) chunks.push(chunk)
    return Buffer.concat(chunks)
  } finally {
    await helia.stop()
  }
}

describe('a plain Helia node', () => {
  let net: TestDevnet
  beforeAll(async () => {
    net = await startTestDevnet({ providers: 1, roundMs: STANDING_ROUND_MS })
  })
  afterAll(() => net?.[Symbol.asyncDispose]())

  test('reads a file of a stored directory from a provider over bitswap', { timeout: 60_000 }, async ({ signal }) => {
    const { client, directory, ledger } = net
    const tree = await writeSampleTree(directory)
    const { root, replicas } = await client.put(tree, { replicas: 1, encrypt: false })
    const { addresses } = newestAskOf(ledger.state, replicas[0]!.provider)!
    for (const path of [join('nested', 'blocks.bin'), join('nested', 'deeper', 'letter.txt')]) {
      const bytes = await readOverBitswap(addresses, root.toString(), path, signal)
      expect(bytes.equals(await readFile(join(tree, path)))).toBe(true)
    }
  })
})
