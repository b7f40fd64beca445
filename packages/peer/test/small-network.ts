import { join } from 'node:path'
import { createSigner, type NetworkDescription } from '@holdfast/core'
import { dataDirectoryPaths } from '../src/data-directory.ts'
import { loadOrCreateKey } from '../src/key-file.ts'
import { readNetworkFile } from '../src/network-file.ts'
import { type Peer, startPeer } from '../src/peer.ts'
import { setUpNetwork, setUpPeer } from '../src/set-up.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const CREDIT = 10n ** 18n

export interface SmallNetwork {
  /** Where there is room. */
  readonly path: string
  /** Of a client who has credits. */
  readonly key: string
  readonly networkFile: string
  readonly network: NetworkDescription
  readonly host: Peer
  readonly provider: Peer
}

/** A ledger host and a provider in this process, until the stack is disposed. @param listen - of both */
export async function startSmallNetwork(
  life: AsyncDisposableStack,
  listen: readonly string[] = ['/ip4/127.0.0.1/tcp/0']
): Promise<SmallNetwork> {
  const { path } = life.use(await temporaryDirectory())
  const [hostDirectory, directory, key] = ['host', 'provider', 'client.key'].map(name => join(path, name)) as [
    string,
    string,
    string
  ]
  const client = createSigner((await loadOrCreateKey(key)).raw).address
  await setUpNetwork({
    directory: hostDirectory,
    name: 'small',
    roundMs: 600_000,
    beacon: 'host',
    accounts: [{ address: client, amount: 1_000n * CREDIT }],
    supply: 2_000n * CREDIT,
    // What is asked before round 1 opens counts at once.
    genesisMs: Date.now() + 600_000,
    listen
  })
  const onFailure = (error: unknown) => {
    throw error
  }
  const host = life.use(await startPeer({ directory: hostDirectory, onFailure }))
  const { networkFile } = dataDirectoryPaths(hostDirectory)
  const network = await readNetworkFile(networkFile)
  await setUpPeer(network, { directory, roles: ['provider'], allocateBytes: 2 ** 30, listen })
  const provider = life.use(await startPeer({ directory, onFailure }))
  return { path, key, networkFile, network, host, provider }
}
