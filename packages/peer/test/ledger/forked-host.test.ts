import { cp, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import {
  createSigner,
  describeNetwork,
  type NetworkDescription,
  networkIdOf,
  portableSignatureVerifier,
  type Signer,
  statementDigestOf,
  verifyForkProof
} from '@holdfast/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { checkForkCommand } from '../../src/cli/check-fork-command.ts'
import { dataDirectoryPaths } from '../../src/data-directory.ts'
import { devnetParameters } from '../../src/devnet/parameters.ts'
import { PeerError } from '../../src/error.ts'
import { loadOrCreateKey } from '../../src/key-file.ts'
import { createForkKeeper, findForkProofs, keepForkProof } from '../../src/ledger/fork-proofs.ts'
import { createHostBeacon } from '../../src/ledger/host.ts'
import { readNetworkFile, writeNetworkFile } from '../../src/network-file.ts'
import { type Peer, type PeerEvent, startPeer } from '../../src/peer.ts'
import { captureOutput } from '../cli/captured-output.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

let life = new AsyncDisposableStack()
let path: string
let hostKey: Signer
let client: Signer
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

const at = (name: string) => dataDirectoryPaths(join(path, name))

async function prepare(name: string, role: string): Promise<void> {
  await mkdir(at(name).path)
  const config = `roles = ["${role}"]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\n[provider]\nallocateBytes = "64MiB"\n`
  await writeFile(at(name).configFile, config)
}

/** A peer that runs, what it reports, and what ends it. */
async function start(name: string) {
  const events: PeerEvent[] = []
  const failed = Promise.withResolvers<unknown>()
  const peer = life.use(
    await startPeer({ directory: at(name).path, onEvent: event => events.push(event), onFailure: failed.resolve })
  )
  return { peer, events, failed: failed.promise }
}

async function transfer({ ledger }: Peer, nonce: number, amount: bigint): Promise<void> {
  const statement = { from: client.address, to: hostKey.address, amount, nonce }
  const signature = client.sign(statementDigestOf(ledger.state)('Transfer', statement))
  const receipt = await ledger.submit({ kind: 'Transfer', statement, signature })
  if (!receipt.ok) throw new Error(receipt.refusal.message)
}

/** Resolves when a peer has so many entries. */
function reached({ ledger }: Peer, sequence: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const check = () => {
    if (ledger.state.sequence >= sequence) resolve()
  }
  const end = ledger.subscribe(check)
  check()
  return promise.finally(end)
}

const signerOf = async (file: string) => createSigner((await loadOrCreateKey(file)).raw)

/** The directory of a host that has not run yet. */
async function prepareHost(): Promise<NetworkDescription> {
  await prepare('one', 'ledger-host')
  hostKey = await signerOf(at('one').keyFile)
  client = await signerOf(join(path, 'client.key'))
  const { publicKey } = createHostBeacon((await loadOrCreateKey(at('one').keyFile)).raw)
  const accounts = { host: hostKey.address, client: client.address, verifier: hostKey.address }
  const parameters = devnetParameters(
    { ...accounts, beaconPublicKey: Buffer.from(publicKey).toString('hex') },
    Date.now(),
    { roundMs: 3_600_000, startMs: 3_600_000 }
  )
  const network = describeNetwork(parameters, { sequence: 0, host: [], bootstrap: [] }, hostKey)
  await writeNetworkFile(at('one').networkFile, network)
  return network
}

/** One host, stopped, and a copy of all that it has: two hosts with one key and one past. */
async function forkHost(): Promise<NetworkDescription> {
  await prepareHost()
  const { peer } = await start('one')
  await transfer(peer, 0, 5n)
  await peer.stop()
  await cp(at('one').path, at('two').path, { recursive: true })
  return await readNetworkFile(at('one').networkFile)
}

/** A follower of one of the hosts, which also knows other peers that follow. */
async function follow(name: string, { parameters }: NetworkDescription, host: Peer, bootstrap: readonly string[] = []) {
  await prepare(name, 'provider')
  const addresses = { sequence: 9, host: [...host.addresses], bootstrap: [...bootstrap] }
  await writeNetworkFile(at(name).networkFile, describeNetwork(parameters, addresses, hostKey))
  return await start(name)
}

it('followers of two hosts with one key meet, and each keeps the proof, which anybody can check', {
  timeout: 120_000
}, async () => {
  const network = await forkHost()
  const [one, two] = [await start('one'), await start('two')]
  const left = await follow('left', network, two.peer)
  const right = await follow('right', network, one.peer, left.peer.addresses)
  await transfer(one.peer, 1, 10n)
  await transfer(two.peer, 1, 20n)
  await transfer(two.peer, 2, 20n)
  expect(await findForkProofs(at('right').forksDirectory, network)).toEqual([])
  await reached(left.peer, two.peer.ledger.state.sequence)
  // Its own host is gone: it turns to the follower of the other one.
  await one.peer.stop()
  const failure = await right.failed
  const [file] = await findForkProofs(at('right').forksDirectory, network)
  expect(failure).toMatchObject({ code: 'LOG_FORKED', details: { file }, message: expect.stringContaining(file!) })
  expect(right.events).toContainEqual({ kind: 'fork', file })
  expect((await stat(file!)).mode & 0o777).toBe(0o600)
  using output = captureOutput(process.stdout)
  await checkForkCommand().parseAsync([file!], { from: 'user' })
  expect(output.text).toContain(`The host ${hostKey.address} has signed two histories`)
})

it('what ends a peer says where its proof is, when it comes with one, and is left alone otherwise', async () => {
  const files: string[] = []
  const directory = join(path, 'forks')
  const keeper = life.use(
    createForkKeeper({
      directory,
      onFork: file => files.push(file),
      onError: error => {
        throw error
      }
    })
  )
  const forked = new PeerError('HOST_FORKED', 'Two heads.', { number: 3, proof: Uint8Array.of(7) })
  const kept = await keeper.keep(forked)
  expect(kept).toMatchObject({ code: 'HOST_FORKED', cause: forked, details: { number: 3, file: files[0] } })
  expect(await readdir(directory)).toEqual([basename(files[0]!)])
  for (const other of [new PeerError('LOG_DAMAGED', 'x'), new Error('x'), undefined])
    expect(await keeper.keep(other)).toBe(other)
  expect(files).toHaveLength(1)
})

it('a fork makes one file, however often it is met, and what proves nothing is no proof', async () => {
  const network = await prepareHost()
  const directory = at('one').forksDirectory
  const authority = {
    networkId: networkIdOf(network.parameters),
    host: hostKey.address,
    signatures: portableSignatureVerifier
  }
  expect(verifyForkProof(Uint8Array.of(1), authority).ok).toBe(false)
  const first = await keepForkProof(directory, Uint8Array.of(1))
  expect(await keepForkProof(directory, Uint8Array.of(1))).toBe(first)
  expect(await readdir(directory)).toHaveLength(1)
  expect(await findForkProofs(directory, network)).toEqual([])
})
