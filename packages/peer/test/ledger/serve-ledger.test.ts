import { randomBytes } from 'node:crypto'
import {
  createFollower,
  createRemoteSource,
  type Follower,
  findReplicas,
  type HostConnection,
  hashState,
  machineClock,
  roundOpensMs
} from '@holdfast/core'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pieceOf, rootOf } from '../../../core/test/ledger/memory-pieces.ts'
import { CLIENT, PARAMETERS, PROVIDER, TestNetwork, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { serveLedger } from '../../src/ledger/serve-ledger.ts'
import type { PeerNode } from '../../src/node.ts'
import { startNode } from '../open-nodes.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { nextEntry, openTestHost, type TestHost } from './open-test-host.ts'

/** Signs commands; its own ledger stays at genesis. */
const network = new TestNetwork()
const transfer = (nonce: number) => network.transfer(CLIENT, PROVIDER, 1n, nonce)

interface ServedHost extends TestHost {
  readonly node: PeerNode
  readonly errors: unknown[]
}

let life = new AsyncDisposableStack()
let path: string
let served: ServedHost
const hostKey = randomBytes(32)
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
  served = life.use(await openServedHost())
})
afterEach(async () => {
  expect(served.errors).toEqual([])
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

/** The host behind its protocols, on a port of its own or on the one it had. */
async function openServedHost(listen?: readonly string[]): Promise<ServedHost> {
  await using starting = new AsyncDisposableStack()
  const opened = starting.use(await openTestHost(path))
  await opened.host.start()
  const node = starting.use(await startNode(hostKey, listen))
  const errors: unknown[] = []
  const services = starting.use(new AsyncDisposableStack())
  await serveLedger(services, node.libp2p, opened.host, {
    networkId: opened.host.state.networkId,
    onError: error => errors.push(error)
  })
  const running = starting.move()
  return { ...opened, node, errors, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

async function openConnection(): Promise<HostConnection> {
  const node = life.use(await startNode(undefined, []))
  return {
    node: node.libp2p,
    networkId: network.state.networkId,
    host: served.node.addresses().map(address => multiaddr(address))
  }
}

async function startFollower(): Promise<Follower> {
  const source = createRemoteSource(await openConnection())
  const follower = life.use(createFollower({ parameters: PARAMETERS, source, tools: TOOLS, clock: machineClock }))
  await follower.start()
  return follower
}

/** Resolves when the follower has what the host has, and nothing else. */
async function expectSameState(follower: Follower): Promise<void> {
  const { state } = served.host
  if (follower.state.sequence < state.sequence)
    await nextEntry(follower, ({ entry }) => entry.sequence === state.sequence - 1)
  expect(hashState(follower.state)).toBe(hashState(state))
}

describe('a follower', () => {
  it('reaches the host’s state, and submits through it', async () => {
    await served.host.submit(transfer(0))
    const follower = await startFollower()
    await expectSameState(follower)
    expect(await follower.submit(transfer(1))).toEqual({ ok: true, sequence: 2 })
    expect(follower.state.accounts.get(CLIENT.address)?.nonce).toBe(2)
    const opened = nextEntry(follower, ({ entry }) => entry.body.kind === 'openRound')
    await served.clock.advanceTo(roundOpensMs(PARAMETERS, 1))
    await opened
    await expectSameState(follower)
    expect(follower.state.round).toBe(1)
  })

  it('hears a refusal with its code and its facts', async () => {
    const follower = await startFollower()
    expect(await follower.submit(transfer(5))).toEqual({
      ok: false,
      refusal: { code: 'WRONG_NONCE', message: expect.any(String), details: { expected: 0, got: 5 } }
    })
    const forged = { ...transfer(0), signature: transfer(1).signature }
    expect(await follower.submit(forged as typeof forged & { kind: 'Transfer' })).toMatchObject({
      ok: false,
      refusal: { code: 'BAD_SIGNATURE' }
    })
    await expectSameState(follower)
  })

  it('goes on when the host is back on its port', async () => {
    const follower = await startFollower()
    await follower.submit(transfer(0))
    const listen = served.node.addresses().map(address => address.replace(/\/p2p\/.*/, ''))
    await served[Symbol.asyncDispose]()
    await expect(follower.submit(transfer(1))).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    served = life.use(await openServedHost(listen))
    const followed = nextEntry(follower, ({ entry }) => entry.sequence === 2)
    await served.host.submit(transfer(1))
    await followed
    await expectSameState(follower)
    expect(await follower.submit(transfer(2))).toEqual({ ok: true, sequence: 3 })
  })

  it('is many, and each hears of an entry without asking again', async () => {
    const followers = await Promise.all([startFollower(), startFollower(), startFollower()])
    const heard = followers.map(follower => nextEntry(follower, ({ entry }) => entry.sequence === 1))
    await served.host.submit(transfer(0))
    await Promise.all(heard)
    for (const follower of followers) await expectSameState(follower)
  })
})

it('a peer that has more entries than the host is told that the host lost them', async () => {
  const source = createRemoteSource(await openConnection())
  await expect(source.entries(9, new AbortController().signal)).rejects.toMatchObject({
    code: 'LOG_INVALID',
    message: expect.stringContaining('this log holds 1 entries'),
    details: { from: 9 }
  })
})

it('a reader who follows nothing is told who holds an object', async () => {
  const piece = pieceOf('piece')
  for (const command of [network.ask(PROVIDER), network.dealOrder(PROVIDER), network.piecesOrder(1, [piece])])
    expect(await served.host.submit(command)).toMatchObject({ ok: true })
  const connection = await openConnection()
  expect(await findReplicas(connection, rootOf('object').bytes)).toMatchObject([
    { dealId: 1, provider: PROVIDER.address }
  ])
  expect(await findReplicas(connection, rootOf('another').bytes)).toEqual([])
})

it('a reader of another network is refused', async () => {
  const connection = { ...(await openConnection()), networkId: new Uint8Array(32) }
  await expect(findReplicas(connection, rootOf('object').bytes)).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
})

it('an end of the service ends those who wait for entries', async () => {
  const follower = await startFollower()
  await served[Symbol.asyncDispose]()
  await follower.stop()
  expect(served.clock.sleeping).toBe(0)
})
