/** A whole network in one process, reached by a client that speaks WebSockets and nothing else, as one in a browser does. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it, onTestFinished } from 'vitest'
import { createClient } from '../src/client.ts'
import { createNode } from '../src/node.ts'
import { startSmallNetwork } from './small-network.ts'

const TCP = '/ip4/127.0.0.1/tcp/0'
const LISTEN = [TCP, `${TCP}/ws`]

it('a client that speaks only WebSockets stores and reads', { timeout: 60_000 }, async () => {
  const life = new AsyncDisposableStack()
  onTestFinished(() => life.disposeAsync())
  const { path, key, networkFile, network, host, provider } = await startSmallNetwork(life, LISTEN)
  expect(network.addresses.host).toEqual(host.addresses)
  expect(host.addresses.filter(address => address.includes('/ws/'))).toHaveLength(1)

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
