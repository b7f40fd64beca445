/**
 * Keeps an account's object list in the network: reads the newest one that opens, and writes the next one.
 *
 * The account's own deals are looked at and nobody else's, so that a stranger can put nothing under a slot's label.
 */
import { createPieceHasher, leafCountOf, type NodeHasher } from '@holdfast/proofs'
import { bytesToHex } from '@noble/hashes/utils.js'
import { CoreError } from '../error.ts'
import { newestAskOf } from '../ledger/asks.ts'
import { isRunning } from '../ledger/live-deals.ts'
import { isPresent } from '../ledger/piece-rules.ts'
import type { Deal, DealPiece, LedgerState } from '../ledger/state.ts'
import { statementDigestOf } from '../ledger/statements.ts'
import {
  deriveLabel,
  deriveLabelKey,
  deriveObjectListKeys,
  type ListedObject,
  newestObjectList,
  OBJECT_LIST_SALT_SIZE_BYTES,
  OBJECT_LIST_SIZE_BYTES_MAX,
  type ObjectList,
  type ObjectListKeys,
  openObjectList,
  type PieceCiphers,
  readReplica,
  sealObjectList,
  signReadPermission,
  slotOf
} from '../pieces/index.ts'
import { replicaKeystream } from '../pieces/replica-layer.ts'
import type { Address } from '../schema.ts'
import type { ReplicaPiece, StorableObject, StoreComponents } from './components.ts'
import { readPieceRange } from './read-piece-range.ts'
import { signAndSubmit } from './sign-and-submit.ts'
import { type StoreOptions, storeObject } from './store.ts'
import { permissionEnd } from './transfer-piece.ts'

export interface ListComponents extends StoreComponents {
  /** The 32 bytes of the account's private key: the list's keys follow from it. */
  readonly accountKey: Uint8Array
  readonly ciphers: PieceCiphers
  readonly nodeHasher: NodeHasher
}

export interface ReadList {
  /** The newest that opened; empty with sequence −1 when none was ever written. */
  readonly list: { readonly sequence: number; readonly objects: readonly ListedObject[] }
  /** Providers of lists that could not be read now. One of these may have been newer. */
  readonly unread: readonly { readonly provider: Address; readonly reason: string }[]
}

const SLOTS = [0, 1] as const
type Slot = (typeof SLOTS)[number]

/** Replicas of a list: as many as anybody stores. */
const LIST_REPLICAS_MAX = 16

/** @throws {CoreError} `LIST_UNREADABLE` when lists stand on the ledger and none can be read */
export async function readStoredObjectList(components: ListComponents, signal?: AbortSignal): Promise<ReadList> {
  const keys = deriveObjectListKeys(components.accountKey)
  const unread: { provider: Address; reason: string }[] = []
  const lists: ObjectList[] = []
  for (const slot of SLOTS) {
    for (const stored of storedLists(components, keys, slot)) {
      try {
        lists.push(await readList(components, keys, stored, signal))
        break
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof CoreError)) throw error
        unread.push({ provider: stored.deal.provider, reason: error.message })
      }
    }
  }
  const newest = newestObjectList(lists)
  if (newest === undefined && unread.length > 0)
    throw new CoreError(
      'LIST_UNREADABLE',
      `none of the providers of your list gave it: ${unread.map(({ provider, reason }) => `${provider} ${reason}`).join('; ')}`,
      { unread }
    )
  return { list: newest ?? { sequence: -1, objects: [] }, unread }
}

interface StoredList {
  readonly slot: Slot
  readonly replica: number
  readonly deal: Deal
  readonly piece: DealPiece
}

/** What stands under the labels of a slot in the account's deals, the newest first. */
function storedLists({ ledger, signer }: ListComponents, keys: ObjectListKeys, slot: Slot): StoredList[] {
  const replicas = new Map(
    Array.from({ length: LIST_REPLICAS_MAX }, (_, replica) => [
      bytesToHex(deriveLabel(keys.slots[slot], { replica, piece: 0 })),
      replica
    ])
  )
  return [...ledger.state.deals.values()]
    .filter(deal => deal.client === signer.address && isRunning(deal))
    .flatMap(deal =>
      deal.pieces.filter(isPresent).flatMap(piece => {
        const replica = replicas.get(piece.label)
        return replica === undefined ? [] : [{ slot, replica, deal, piece }]
      })
    )
    .sort((a, b) => b.piece.fromOpening - a.piece.fromOpening || b.piece.id - a.piece.id)
}

async function readList(
  components: ListComponents,
  keys: ObjectListKeys,
  { slot, replica, deal, piece }: StoredList,
  signal: AbortSignal | undefined
): Promise<ObjectList> {
  const { ledger, signer, ciphers } = components
  const { state } = ledger
  if (piece.rawSize > OBJECT_LIST_SIZE_BYTES_MAX) throw new CoreError('LIST_INVALID', 'the list is too large')
  const { provider } = deal
  const terms = { provider, reader: signer.address, validUntilRound: permissionEnd(state) }
  const labelKey = deriveLabelKey(keys.slots[slot], { replica, piece: 0 })
  const bytes = new Uint8Array(piece.rawSize)
  let filled = 0
  const range = {
    provider,
    addresses: newestAskOf(state, provider)?.addresses ?? [],
    piece: piece.cid,
    offset: 0,
    length: piece.rawSize,
    permission: signReadPermission(labelKey, terms, statementDigestOf(state)),
    signal
  }
  for await (const chunk of readPieceRange({ ...components, networkId: state.networkId }, range)) {
    bytes.set(chunk, filled)
    filled += chunk.length
  }
  const verdict = openObjectList({ bytes, slot, replica }, { keys, ciphers })
  if (verdict.ok) return verdict.list
  throw new CoreError('LIST_INVALID', `it gave bytes that are no list of yours (${verdict.reason})`)
}

export type ListOptions = Pick<StoreOptions, 'replicas' | 'leavesPerRound' | 'rounds' | 'signal'> & {
  /** Sequence of the newest list that this client has ever seen: an older one is not written over. */
  readonly seenSequence?: number | undefined
}

/**
 * Writes the next list and removes what its slot held before. Two clients of one account that write at once can lose one
 * of the changes, not the objects: their references still open them.
 *
 * @param change - gives the objects of the next list; the very same array when there is nothing to change
 * @returns the sequence of what stands now
 * @throws {CoreError} `LIST_UNREADABLE`, also when only an older list than was seen can be read; `STORE_INCOMPLETE`
 */
export async function changeStoredObjectList(
  components: ListComponents,
  change: (objects: readonly ListedObject[]) => readonly ListedObject[],
  options: ListOptions
): Promise<number> {
  const { accountKey, ciphers, random, ledger, signer } = components
  const { list } = await readStoredObjectList(components, options.signal)
  if (list.sequence < (options.seenSequence ?? -1))
    throw new CoreError(
      'LIST_UNREADABLE',
      `only list ${list.sequence} can be read now, and there was a newer one (${options.seenSequence}); try again when its providers are back`,
      { sequence: list.sequence, seen: options.seenSequence }
    )
  const objects = change(list.objects)
  if (objects === list.objects) return list.sequence
  const keys = deriveObjectListKeys(accountKey)
  const next: ObjectList = { version: 1, sequence: list.sequence + 1, objects: [...objects] }
  const slot = slotOf(next)
  const inner = sealObjectList(next, { keys, salt: random(OBJECT_LIST_SALT_SIZE_BYTES), ciphers })
  const object = listObject(inner, keys, slot, components)
  const before = storedLists(components, keys, slot)
  await storeObject(components, { ...options, object, preferred: ownProviders(ledger.state, signer.address) })
  for (const [dealId, old] of Map.groupBy(before, ({ deal }) => deal.id)) {
    if (ledger.state.deals.get(dealId)?.status !== 'active') continue
    const pieceIds = old.map(({ piece }) => piece.id)
    await signAndSubmit(components, 'RemovePieces', { client: signer.address, dealId, pieceIds }, options.signal)
  }
  return next.sequence
}

/** A list goes where the account has deals already: a deal of its own would cost the least price of a deal. */
function ownProviders(state: LedgerState, client: Address): ReadonlySet<Address> {
  const own = [...state.deals.values()].filter(deal => deal.client === client && deal.status === 'active')
  return new Set(own.map(({ provider }) => provider))
}

function listObject(
  inner: Uint8Array,
  keys: ObjectListKeys,
  slot: Slot,
  { ciphers, nodeHasher }: ListComponents
): StorableObject {
  const repairKey = keys.slots[slot]
  const made = new Map<number, ReplicaPiece>()
  async function* from(offset: number): AsyncGenerator<Uint8Array> {
    yield inner.slice(offset)
  }
  function pieceOf(replica: number): ReplicaPiece {
    const place = { replica, piece: 0 }
    const bytes = inner.slice()
    replicaKeystream({ ciphers, repairKey, layout: 'distinct' }, place, 0).xor(bytes)
    const hasher = createPieceHasher({ nodeHasher })
    hasher.update(bytes)
    const { cid } = hasher.digest()
    return {
      label: deriveLabel(repairKey, place),
      rawSize: inner.length,
      leafCount: leafCountOf(inner.length),
      cid,
      commit: async () => cid,
      read: offset => readReplica({ ciphers, repairKey, layout: 'distinct', place, inner: from(offset), offset })
    }
  }
  return {
    areReplicasIdentical: false,
    replica(index) {
      const piece = made.get(index) ?? pieceOf(index)
      made.set(index, piece)
      return [piece]
    }
  }
}
