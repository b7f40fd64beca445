import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Peer, PeerData, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { noteProtocolsOnce } from '../../src/transport/note-protocols.ts'

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
  noteProtocolsOnce(store, self, clock)
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
