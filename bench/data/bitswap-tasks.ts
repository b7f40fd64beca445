/** The same file between two Helia nodes by bitswap, and read from Helia's own blockstore. */
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { FsBlockstore } from 'blockstore-fs'
import { createHeliaLight } from 'helia'
import type { Blockstore } from 'interface-blockstore'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { CID } from 'multiformats/cid'
import { MIB } from '../harness.ts'
import { readWhole } from './import-tasks.ts'
import type { Task } from './measured-process.ts'

async function startHelia(blockstore: Blockstore) {
  const helia = withBitswap(
    withLibp2pLight(createHeliaLight({ blockstore }), {
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() }
    })
  )
  await helia.start()
  return helia
}

/** @returns the root */
async function addFile(blockstore: Blockstore, path: string): Promise<string> {
  const chunker = fixedSize({ chunkSize: MIB })
  return `${await unixfs({ blockstore }).addByteStream(readWhole(path), { chunker, rawLeaves: true })}`
}

async function catAll(blockstore: Blockstore, root: string): Promise<number> {
  let sizeBytes = 0
  const before = performance.now()
  for await (const chunk of unixfs({ blockstore }).cat(CID.parse(root))) sizeBytes += chunk.length
  if (sizeBytes === 0) throw new Error('read nothing')
  return (performance.now() - before) / 1000
}

export const bitswapProvider: Task = async () => {
  return {
    async add({ path, folder }: { path: string; folder: string }) {
      const blockstore = new FsBlockstore(folder)
      await blockstore.open()
      const root = await addFile(blockstore, path)
      const helia = await startHelia(blockstore)
      return { root, addresses: helia.libp2p.getMultiaddrs().map(String) }
    }
  }
}

/** Reads once: what was fetched is kept, so that every run needs a process of its own. */
export const bitswapReader: Task = async () => {
  const helia = await startHelia(new MemoryBlockstore())
  return {
    async cat({ root, address }: { root: string; address: string }) {
      await helia.libp2p.dial(multiaddr(address))
      return catAll(helia.blockstore, root)
    }
  }
}

/** No network at all, and no check of what the disk gives. */
export const catFromDisk: Task = async () => ({
  async add({ path, folder }: { path: string; folder: string }) {
    const blockstore = new FsBlockstore(folder)
    await blockstore.open()
    return { root: await addFile(blockstore, path) }
  },
  async cat({ root, folder }: { root: string; folder: string }) {
    const blockstore = new FsBlockstore(folder)
    await blockstore.open()
    return catAll(blockstore, root)
  }
})
