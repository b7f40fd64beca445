import { randomBytes } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describeNetwork, formatNetworkDescription, networkIdOf } from '@holdfast/core'
import { expect, it, onTestFinished } from 'vitest'
import { HOST, PARAMETERS } from '../../core/test/ledger/network-fixture.ts'
import { fetchNetwork } from '../src/fetch-network.ts'
import { writeNetworkFile } from '../src/network-file.ts'
import { createNode } from '../src/node.ts'
import { serveMembership } from '../src/serve-membership.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const NETWORK = describeNetwork(PARAMETERS, { sequence: 0, host: [], bootstrap: [] }, HOST)
const random = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes))

async function openWeb(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/network.json`
}

it('comes from a file', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'network.json')
  await writeNetworkFile(path, NETWORK)
  expect(await fetchNetwork(path)).toEqual(NETWORK)
  await expect(fetchNetwork(join(directory.path, 'other.json'))).rejects.toMatchObject({ code: 'NETWORK_MISSING' })
})

it('comes from a web address', async () => {
  const url = await openWeb((_, answer) => {
    answer.end(formatNetworkDescription(NETWORK))
  })
  expect(await fetchNetwork(url)).toEqual(NETWORK)
})

it.each<[string, RequestListener, string]>([
  ['is another page', (_, answer) => void answer.end('<html>'), 'NETWORK_INVALID'],
  ['is not there', (_, answer) => void answer.writeHead(404).end(), 'NETWORK_UNREACHABLE'],
  ['never ends', (_, answer) => void answer.end('x'.repeat(2 ** 20)), 'NETWORK_UNREACHABLE']
])('is refused when what the address gives %s', async (_, listener, code) => {
  const url = await openWeb(listener)
  await expect(fetchNetwork(url)).rejects.toMatchObject({ code })
})

it('comes from a member of the network', async () => {
  const node = await createNode({ privateKey: random(32), listen: ['/ip4/127.0.0.1/tcp/0'] })
  onTestFinished(() => node.stop())
  await node.start()
  const life = new AsyncDisposableStack()
  onTestFinished(() => life.disposeAsync())
  const components = { node, network: () => NETWORK, clock: { now: () => 0 }, round: () => 0, random }
  await serveMembership(life, components, { networkId: networkIdOf(PARAMETERS) })
  expect(await fetchNetwork(node.addresses()[0]!)).toEqual(NETWORK)
  await expect(fetchNetwork('/ip4/127.0.0.1/tcp/9')).rejects.toMatchObject({ code: 'NETWORK_UNREACHABLE' })
})
