import { access, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSigner, describeNetwork, newestAskOf } from '@holdfast/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createClient } from '../src/client.ts'
import { dataDirectoryPaths } from '../src/data-directory.ts'
import { devnetParameters } from '../src/devnet/parameters.ts'
import { loadOrCreateKey } from '../src/key-file.ts'
import { createHostBeacon } from '../src/ledger/host.ts'
import { readNetworkFile, writeNetworkFile } from '../src/network-file.ts'
import { type Peer, startPeer } from '../src/peer.ts'
import { setUpPeer } from '../src/set-up.ts'
import { temporaryDirectory } from './temporary-directory.ts'

let life = new AsyncDisposableStack()
let path: string
let clientKey: string
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
  clientKey = join(path, 'client.key')
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function signerOf(directory: string) {
  return createSigner((await loadOrCreateKey(dataDirectoryPaths(directory).keyFile)).raw)
}

async function prepare(name: string, role: string): Promise<string> {
  const directory = join(path, name)
  await mkdir(directory)
  const config = `roles = ["${role}"]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\n[provider]\nallocateBytes = "64MiB"\npricePerLeafRound = "1000"\n`
  await writeFile(dataDirectoryPaths(directory).configFile, config)
  return directory
}

/** The directories of a host and a verifier of one network, which knows no address yet. */
async function prepareNetwork(roundMs = 60_000): Promise<{ host: string; verifier: string }> {
  const [host, verifier] = [await prepare('host', 'ledger-host'), await prepare('verifier', 'verifier')]
  const signer = await signerOf(host)
  const { publicKey } = createHostBeacon((await loadOrCreateKey(dataDirectoryPaths(host).keyFile)).raw)
  const parameters = devnetParameters(
    {
      host: signer.address,
      client: createSigner((await loadOrCreateKey(clientKey)).raw).address,
      verifier: (await signerOf(verifier)).address,
      beaconPublicKey: Buffer.from(publicKey).toString('hex')
    },
    Date.now(),
    { roundMs }
  )
  const description = describeNetwork(parameters, { sequence: 0, host: [], bootstrap: [] }, signer)
  await writeNetworkFile(dataDirectoryPaths(host).networkFile, description)
  return { host, verifier }
}

async function start(directory: string, signal?: AbortSignal): Promise<Peer> {
  const onFailure = (error: unknown) => {
    throw error
  }
  return life.use(await startPeer({ directory, onFailure, ...(signal !== undefined && { signal }) }))
}

const joinNetwork = (from: string, to: string) =>
  copyFile(dataDirectoryPaths(from).networkFile, dataDirectoryPaths(to).networkFile)

it('a host writes where it is reached, and a verifier that joins by it stakes on its ledger', async () => {
  const { host, verifier } = await prepareNetwork()
  const hosting = await start(host)
  const network = await readNetworkFile(dataDirectoryPaths(host).networkFile)
  expect(network.addresses).toMatchObject({ sequence: 1, host: hosting.addresses })
  await joinNetwork(host, verifier)
  const verifying = await start(verifier)
  expect(verifying.roles).toEqual(['verifier'])
  expect(hosting.ledger.state.verifiers.get(verifying.address)).toMatchObject({ addresses: verifying.addresses })
})

it('a peer with another key than the host’s is refused that role, and lets its directory go', async () => {
  const { host, verifier } = await prepareNetwork()
  await joinNetwork(host, verifier)
  await writeFile(dataDirectoryPaths(verifier).configFile, 'roles = ["ledger-host"]\nlisten = []\n')
  for (let time = 0; time < 2; time += 1)
    await expect(start(verifier)).rejects.toMatchObject({
      code: 'NOT_THE_HOST',
      message: expect.stringContaining('take the role "ledger-host" out')
    })
})

it('what could not be started is not set up', async () => {
  const { host } = await prepareNetwork()
  const network = await readNetworkFile(dataDirectoryPaths(host).networkFile)
  const directory = join(path, 'gateway')
  await expect(setUpPeer(network, { directory, roles: ['gateway'] })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('add "provider"')
  })
  await expect(access(directory)).rejects.toMatchObject({ code: 'ENOENT' })
})

it('a provider that is a gateway says where, with its id, behind where libp2p reaches it', async () => {
  const { host } = await prepareNetwork()
  const { configFile } = dataDirectoryPaths(host)
  const listen = '/ip4/127.0.0.1/tcp/0'
  const config = `roles = ["ledger-host", "provider", "gateway"]\nlisten = ["${listen}"]\n[provider]\nallocateBytes = "64MiB"\n[gateway]\nlisten = "${listen}/http"\n`
  await writeFile(configFile, config)
  const { address, addresses, ledger } = await start(host)
  const [first = '', second = ''] = addresses
  const id = /\/p2p\/\w+$/.exec(first)?.[0]
  expect(second).toMatch(new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/\\d+/http${id}$`))
  await expect.poll(() => newestAskOf(ledger.state, address)?.addresses).toEqual(addresses)
  const response = await fetch(`http://127.0.0.1:${/tcp\/(\d+)\/http/.exec(second)![1]}/ipfs/bafkqaaa?format=raw`)
  expect(response.status).toBe(200)
})

it('stops once for all who ask, and its directory is free when each of them hears', async () => {
  const { host } = await prepareNetwork()
  const hosting = await start(host)
  for (const stopped of [hosting.stop(), hosting.stop(), hosting[Symbol.asyncDispose]()]) {
    await stopped
    await (await start(host)).stop()
  }
})

it('a start that waits for a host that is away ends with its signal, and lets its directory go', async () => {
  const { host, verifier } = await prepareNetwork()
  await (await start(host)).stop()
  await joinNetwork(host, verifier)
  for (let time = 0; time < 2; time += 1) {
    const leaving = new AbortController()
    const starting = start(verifier, leaving.signal)
    // The first look at the host has failed when this is over: what follows is waiting.
    setImmediate(() => leaving.abort(new Error('no longer wanted')))
    await expect(starting).rejects.toThrow('no longer wanted')
  }
})

it('a client whose host was away can ask again when it is back', async () => {
  const { host } = await prepareNetwork()
  const hosting = await start(host)
  const { networkFile } = dataDirectoryPaths(host)
  const network = await readNetworkFile(networkFile)
  const [port] = hosting.addresses.map(address => address.replace(/\/p2p\/.*/, ''))
  await hosting.stop()
  const signal = AbortSignal.timeout(300)
  const impatient = life.use(await createClient({ network, key: clientKey, signal }))
  await expect(impatient.ledger()).rejects.toMatchObject({ name: 'TimeoutError' })
  await expect(impatient.ledger()).rejects.toMatchObject({ name: 'TimeoutError' })
  await writeFile(dataDirectoryPaths(host).configFile, `roles = ["ledger-host"]\nlisten = ["${port}"]\n`)
  const again = await start(host)
  const client = life.use(await createClient({ network, key: clientKey }))
  const [one, two] = await Promise.all([client.ledger(), client.ledger()])
  expect(one).toBe(two)
  expect(one.state.sequence).toBe(again.ledger.state.sequence)
  await Promise.all([client.stop(), client.stop()])
})
