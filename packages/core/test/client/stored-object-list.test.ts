/** The account's list of objects at providers: written, found again by its key alone, and changed by several at once. */
import { portableNodeHasher } from '@holdfast/proofs'
import type { Libp2p } from 'libp2p'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findLists, type ListComponents, listObject } from '../../src/client/list-pieces.ts'
import { areSameLists, mergeLists } from '../../src/client/merge-lists.ts'
import { signAndSubmit } from '../../src/client/sign-and-submit.ts'
import { storeObject } from '../../src/client/store.ts'
import { changeStoredObjectList, readStoredObjectList } from '../../src/client/stored-object-list.ts'
import { isPresent } from '../../src/ledger/piece-rules.ts'
import {
  deriveObjectListKeys,
  type ListedObject,
  portablePieceCiphers,
  sealObjectList
} from '../../src/pieces/index.ts'
import { rootOf } from '../ledger/memory-pieces.ts'
import { CLIENT, type TestNetwork } from '../ledger/network-fixture.ts'
import { noise } from '../pieces/private-objects.ts'
import { type MemoryProvider, openMemoryNetwork } from './memory-providers.ts'

const WISHES = { replicas: 2, leavesPerRound: 4, rounds: 10 }

let life = new AsyncDisposableStack()
let network: TestNetwork
let node: Libp2p
let providers: MemoryProvider[]
let drawn = 0
beforeEach(async () => {
  life = new AsyncDisposableStack()
  ;({ network, node, providers } = await openMemoryNetwork(life, 3))
})
afterEach(() => life.disposeAsync())

/** What a client has, also one that knows nothing but the account's key. */
const components = (): ListComponents => ({
  node,
  ledger: network.ledger,
  signer: CLIENT,
  accountKey: new Uint8Array(32).fill(5),
  ciphers: portablePieceCiphers,
  nodeHasher: portableNodeHasher,
  random(sizeBytes) {
    drawn += 1
    return noise(sizeBytes, drawn)
  }
})

const entry = (name: string): ListedObject => ({
  name,
  root: rootOf(name),
  private: null,
  contentSizeBytes: 1,
  storedMs: 0
})

const add = (name: string, options = {}) =>
  changeStoredObjectList(components(), objects => [...objects, entry(name)], { ...WISHES, ...options })
const remove = (name: string) =>
  changeStoredObjectList(components(), objects => objects.filter(one => one.name !== name), WISHES)

async function names(): Promise<string[]> {
  const { list, unread } = await readStoredObjectList(components())
  expect(unread).toEqual([])
  return list.objects.map(({ name }) => name).sort()
}

const piecesPaid = () => [...network.state.deals.values()].flatMap(({ pieces }) => pieces.filter(isPresent)).length

it('is read back by whoever has the key, and pays for no more than two lists', async () => {
  expect(await names()).toEqual([])
  for (const [index, name] of ['a', 'b', 'c'].entries()) expect(await add(name)).toBe(index)
  expect(await names()).toEqual(['a', 'b', 'c'])
  expect(await remove('b')).toBe(3)
  expect(await names()).toEqual(['a', 'c'])
  expect(piecesPaid()).toBe(2 * WISHES.replicas)
})

it('is not written when there is nothing to change', async () => {
  await add('a')
  const { sequence } = network.state
  expect(await changeStoredObjectList(components(), objects => objects, WISHES)).toBe(0)
  expect(network.state.sequence).toBe(sequence)
})

it('keeps what three clients of an account write at once, and pays no longer for what the race has left', async () => {
  const all = ['of one', 'of another', 'of a third']
  await Promise.all(all.map(name => add(name)))
  expect(await names()).toEqual(all.toSorted())
  for (const name of ['later', 'last']) await add(name)
  expect(await names()).toEqual([...all, 'last', 'later'].sort())
  expect(piecesPaid()).toBe(2 * WISHES.replicas)
})

it('takes out what one client removes while another one adds', async () => {
  await add('old')
  await Promise.all([remove('old'), add('new')])
  expect(await names()).toEqual(['new'])
})

it('is whole where each of two lists has lost the replicas that tell them apart', async () => {
  await add('a')
  const client = components()
  const keys = deriveObjectListKeys(client.accountKey)
  // One that wrote at the same time, and was killed when one replica of its list stood.
  const rival = { version: 1 as const, sequence: 0, objects: [entry('b')] }
  const inner = sealObjectList(rival, { keys, salt: client.random(32), ciphers: client.ciphers })
  await storeObject(client, { ...WISHES, replicas: 1, object: listObject(inner, keys, 0, client) })
  const stored = findLists(client, keys, 0)
  expect(stored.map(({ replica }) => replica).sort()).toEqual([0, 0, 1])
  const lost = stored.filter(({ replica }) => replica === 0).at(-1)!
  const removal = { client: CLIENT.address, dealId: lost.deal.id, pieceIds: [lost.piece.id] }
  await signAndSubmit(client, 'RemovePieces', removal, undefined)
  expect(await names()).toEqual(['a', 'b'])
})

it('is read from another provider when one is gone, and is the newest all the same', async () => {
  await add('a')
  const [first] = network.state.deals.values()
  await providers.find(({ signer }) => signer.address === first!.provider)!.stop()
  expect(await names()).toEqual(['a'])
})

it('is not written over by a client that cannot read the newest', async () => {
  await add('a')
  for (const provider of providers) provider.pieces.clear()
  await expect(readStoredObjectList(components())).rejects.toMatchObject({ code: 'LIST_UNREADABLE' })
  const { sequence } = network.state
  await expect(add('b')).rejects.toMatchObject({ code: 'LIST_UNREADABLE' })
  expect(network.state.sequence).toBe(sequence)
})

it('is not written over by a client that has seen a newer one', async () => {
  await add('a')
  await expect(add('b', { seenSequence: 7 })).rejects.toMatchObject({
    code: 'LIST_UNREADABLE',
    details: { sequence: 0, seen: 7 }
  })
})

it('stays as it was when the writer gives up before it is stored', async () => {
  await add('a')
  const leaving = new AbortController()
  const writing = changeStoredObjectList(
    components(),
    objects => {
      leaving.abort(new Error('enough'))
      return [...objects, entry('b')]
    },
    { ...WISHES, signal: leaving.signal }
  )
  await expect(writing).rejects.toThrow('enough')
  expect(await names()).toEqual(['a'])
  expect(piecesPaid()).toBe(WISHES.replicas)
})

it('merges what was added and removed since, and forgets nothing where nobody knows since when', () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(entry) as [ListedObject, ListedObject, ListedObject, ListedObject]
  const merged = (base: ListedObject[] | undefined, ...lists: ListedObject[][]) =>
    mergeLists(base, lists).map(({ name }) => name)
  expect(merged([a, b], [a, b, c], [b, d])).toEqual(['b', 'c', 'd'])
  expect(merged([a], [a], [a])).toEqual(['a'])
  expect(merged(undefined, [a, b], [b, c])).toEqual(['a', 'b', 'c'])
  expect(areSameLists([a, b], [b, a])).toBe(true)
  expect(areSameLists([a, b], [a, { ...b, name: 'renamed' }])).toBe(false)
})
