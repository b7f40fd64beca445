import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openDeadline } from '../../src/protocols/deadline.ts'
import { dial, peerIdIn } from '../../src/protocols/dial-peer.ts'
import { createNode } from './network.ts'

const PROTOCOL = '/test/dial/1'

let life = new AsyncDisposableStack()
let client: Libp2p
let server: Libp2p
beforeEach(async () => {
  ;[client, server] = await Promise.all([openNode(), openNode()])
  await server.handle(PROTOCOL, stream => stream.abort(new Error('said enough')))
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function openNode(): Promise<Libp2p> {
  const node = await createNode()
  life.defer(() => node.stop())
  return node
}

const dialFrom = (addresses = server.getMultiaddrs(), signal?: AbortSignal) =>
  dial(client, addresses, PROTOCOL, openDeadline({ ...(signal !== undefined && { signal }) }))

it('opens one connection for all that want one at once, and uses the one that there is', async () => {
  const streams = await Promise.all(Array.from({ length: 12 }, () => dialFrom()))
  expect(streams.map(({ protocol }) => protocol)).toEqual(streams.map(() => PROTOCOL))
  await dialFrom()
  expect(client.getConnections()).toHaveLength(1)
  expect(client.getConnections()[0]!.remotePeer.equals(server.peerId)).toBe(true)
})

it('talks to nobody but the peer that was meant, whoever answers', async () => {
  const other = await openNode()
  await other.handle(PROTOCOL, () => undefined)
  const [address] = other.getMultiaddrs()
  const moved = multiaddr(address!.toString().replace(other.peerId.toString(), server.peerId.toString()))
  expect(peerIdIn([moved])).toBe(server.peerId.toString())
  await expect(dialFrom([moved])).rejects.toMatchObject({ code: 'UNREACHABLE' })
  await expect.poll(() => client.getConnections()).toEqual([])
  // Another address of his may still be right.
  await dialFrom([moved, ...server.getMultiaddrs()])
  expect(client.getConnections().map(({ remotePeer }) => remotePeer.toString())).toContain(server.peerId.toString())
})

it('goes on for those who still wait when others have left, and ends when all have', async () => {
  const opened: { signal: AbortSignal; resolve: (connection: Connection) => void }[] = []
  vi.spyOn(client, 'dial').mockImplementation((_, options) => {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>()
    const signal = options!.signal!
    signal.addEventListener('abort', () => reject(signal.reason))
    opened.push({ signal, resolve })
    return promise
  })
  const [first, second] = [new AbortController(), new AbortController()]
  const both = [dialFrom(undefined, first.signal), dialFrom(undefined, second.signal)]
  first.abort(new Error('no patience'))
  await expect(both[0]).rejects.toThrow('no patience')
  expect(opened.map(({ signal }) => signal.aborted)).toEqual([false])
  second.abort(new Error('none either'))
  await expect(both[1]).rejects.toThrow('none either')
  expect(opened.map(({ signal }) => signal.aborted)).toEqual([true])
  // Who comes now is not told of a dial that others gave up.
  const third = new AbortController()
  const next = dialFrom(undefined, third.signal)
  expect(opened).toHaveLength(2)
  third.abort(new Error('over'))
  await expect(next).rejects.toThrow('over')
})
