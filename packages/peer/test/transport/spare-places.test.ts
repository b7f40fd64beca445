/** Who keeps a place when there are more connections than may be. */
import type { PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, it } from 'vitest'
import type { PeerNode } from '../../src/node.ts'
import { chooseToClose, type HeldConnection, keepPlacesFree } from '../../src/transport/spare-places.ts'
import { startNode } from '../open-nodes.ts'

let life = new AsyncDisposableStack()
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

const NAMES = new Map<PeerId, string>()
function connection(name: string, openMs: number, streams = 0, facts: Partial<HeldConnection> = {}): HeldConnection {
  const remotePeer = { toString: () => name } as PeerId
  NAMES.set(remotePeer, name)
  return {
    remotePeer,
    direction: 'inbound',
    status: 'open',
    streams: new Array(streams),
    timeline: { open: openMs },
    ...facts
  }
}

const closed = (connections: HeldConnection[], keptMax: number) =>
  chooseToClose(connections, keptMax, peer => NAMES.get(peer)!.startsWith('member')).map(
    ({ remotePeer }) => NAMES.get(remotePeer)!
  )

it('closes idle strangers first, the oldest of them before others, then busy ones, and members last', () => {
  const connections = [
    connection('member', 1),
    connection('busy', 2, 2),
    connection('young', 9),
    connection('old', 3),
    connection('ours', 0, 0, { direction: 'outbound' }),
    connection('going', 0, 0, { status: 'closing' })
  ]
  expect(closed(connections, 5)).toEqual([])
  expect(closed(connections, 4)).toEqual(['old'])
  expect(closed(connections, 0)).toEqual(['old', 'young', 'busy', 'member'])
})

it('a member and newcomers find a place beside strangers that hold all of them', async () => {
  const open = async (): Promise<PeerNode> => life.use(await startNode())
  const server = await open()
  const member = await open()
  life.use(keepPlacesFree(server.libp2p, peer => peer.equals(member.peerId), 3))
  const addresses = server.addresses().map(address => multiaddr(address))
  await member.libp2p.dial(addresses)
  const strangers: PeerNode[] = []
  for (let index = 0; index < 6; index++) {
    const stranger = await open()
    strangers.push(stranger)
    expect((await stranger.libp2p.dial(addresses)).status).toBe('open')
    await expect.poll(() => server.libp2p.getConnections(stranger.peerId).length).toBe(1)
    await expect.poll(() => server.libp2p.getConnections().length).toBeLessThanOrEqual(3)
  }
  expect(server.libp2p.getConnections(member.peerId)).toHaveLength(1)
  expect(server.libp2p.getConnections(strangers.at(-1)!.peerId)).toHaveLength(1)
})
