/** A whole network in one process, reached by a client that speaks WebSockets and nothing else, as one in a browser does. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSigner } from '@holdfast/core'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it, onTestFinished } from 'vitest'
import { createClient } from '../src/client.ts'
import { dataDirectoryPaths } from '../src/data-directory.ts'
import { loadOrCreateKey } from '../src/key-file.ts'
import { readNetworkFile } from '../src/network-file.ts'
import { createNode } from '../src/node.ts'
import { startPeer } from '../src/peer.ts'
import { setUpNetwork, setUpPeer } from '../src/set-up.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const TCP = '/ip4/127.0.0.1/tcp/0'
const LISTEN = [TCP, `${TCP}/ws`]
const CREDIT = 10n ** 18n

it('a client that speaks only WebSockets stores and reads', { timeout: 60_000 }, async () => {
  const life = new AsyncDisposableStack()
  onTestFinished(() => life.disposeAsync())
  const { path } = life.use(await temporaryDirectory())
  const [hostDirectory, directory, key] = ['host', 'provider', 'client.key'].map(name => join(path, name)) as [
    string,
    string,
    string
  ]
  const client = createSigner((await loadOrCreateKey(key)).raw).address
  await setUpNetwork({
    directory: hostDirectory,
    name: 'ws',
    roundMs: 600_000,
    beacon: 'host',
    accounts: [{ address: client, amount: 1_000n * CREDIT }],
    supply: 2_000n * CREDIT,
    // What is asked before round 1 opens counts at once.
    genesisMs: Date.now() + 600_000,
    listen: LISTEN
  })
  const onFailure = (error: unknown) => {
    throw error
  }
  const host = life.use(await startPeer({ directory: hostDirectory, onFailure }))
  const { networkFile } = dataDirectoryPaths(hostDirectory)
  const network = await readNetworkFile(networkFile)
  expect(network.addresses.host).toEqual(host.addresses)
  expect(host.addresses.filter(address => address.includes('/ws/'))).toHaveLength(1)
  await setUpPeer(network, { directory, roles: ['provider'], allocateBytes: 2 ** 30, listen: LISTEN })
  const provider = life.use(await startPeer({ directory, onFailure }))

  const options = { network: networkFile, transports: ['websockets'] } as const
  const writer = await createClient({ ...options, key })
  life.defer(() => writer.stop())
  const source = join(path, 'file')
  await writeFile(source, randomBytes(3_000_000))
  const { reference } = await writer.put(source, { replicas: 1, list: false })
  expect(host.ledger.state.deals.get(1)).toMatchObject({ provider: provider.address })
  const reader = await createClient(options)
  life.defer(() => reader.stop())
  const output = join(path, 'read')
  await reader.get(reference, output)
  expect((await readFile(output)).equals(await readFile(source))).toBe(true)

  await using tcpOnly = await createNode({ privateKey: randomBytes(32), listen: [], transports: ['tcp'] })
  await tcpOnly.start()
  const [ws = ''] = provider.addresses.filter(address => address.includes('/ws/'))
  await expect(tcpOnly.libp2p.dial(multiaddr(ws))).rejects.toMatchObject({ name: 'NoValidAddressesError' })
})
