import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Peer, PeerData, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { noteOnce } from '../../src/transport/note-once.ts'

async function openStore() {
  const clock = { nowMs: 0, now: () => clock.nowMs }
  const [self, other] = [await newPeerId(), await newPeerId()]
  const told: PeerData[] = []
  const store = {
    async merge(id: PeerId, data: PeerData): Promise<Peer> {
      told.push(data)
      return { id, addresses: [], protocols: data.protocols ?? [], metadata: new Map(), tags: new Map() }
    }
  }
  noteOnce(store, self, clock)
  return { store, told, self, other, clock }
}

async function newPeerId(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('secp256k1'))
}

it('tells the store of a protocol once, and of all others', async () => {
  const { store, told, other } = await openStore()
  for (const protocol of ['/a', '/a', '/b', '/a', '/b']) await store.merge(other, { protocols: [protocol] })
  expect(told).toEqual([{ protocols: ['/a'] }, { protocols: ['/b'] }])
})

it('tells it whatever else is said of a peer, and all that is said of oneself', async () => {
  const { store, told, self, other } = await openStore()
  for (const _ of [1, 2]) {
    await store.merge(other, { protocols: ['/a'], multiaddrs: [] })
    await store.merge(self, { protocols: ['/a'] })
  }
  expect(told).toHaveLength(4)
})

it('tells it again after a while, before it forgets', async () => {
  const { store, told, other, clock } = await openStore()
  await store.merge(other, { protocols: ['/a'] })
  clock.nowMs = 9 * 60_000
  await store.merge(other, { protocols: ['/a'] })
  expect(told).toHaveLength(1)
  clock.nowMs = 11 * 60_000
  await store.merge(other, { protocols: ['/a'] })
  expect(told).toHaveLength(2)
})

it('tells it once that an address was dialled, and always of one that is new or of a dial that failed', async () => {
  const { store, told, other } = await openStore()
  const [here, there] = [multiaddr('/ip4/127.0.0.1/tcp/1'), multiaddr('/ip4/127.0.0.1/tcp/2')]
  for (const address of [here, here, there, here])
    await store.merge(other, { multiaddrs: [address], metadata: { 'last-dial-success': Uint8Array.of(told.length) } })
  expect(told.map(({ multiaddrs }) => multiaddrs)).toEqual([[here], [there]])
  for (const _ of [1, 2]) await store.merge(other, { metadata: { 'last-dial-failure': Uint8Array.of(1) } })
  expect(told).toHaveLength(4)
})
