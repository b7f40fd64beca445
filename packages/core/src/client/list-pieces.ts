/**
 * The pieces that an account's lists stand as: found on the ledger, read from a provider, made for a store.
 *
 * The account's own deals are looked at and nobody else's, so that a stranger can put nothing under a slot's label.
 */
import { createPieceHasher, leafCountOf, type NodeHasher, type PieceDigest } from '@holdfast/proofs'
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
  OBJECT_LIST_SIZE_BYTES_MAX,
  type ObjectList,
  type ObjectListKeys,
  openObjectList,
  type PieceCiphers,
  readReplica,
  signReadPermission
} from '../pieces/index.ts'
import { type ReplicaLayer, replicaKeystream } from '../pieces/replica-layer.ts'
import type { ReplicaPiece, StorableObject, StoreComponents } from './components.ts'
import { readPieceRange } from './read-piece-range.ts'
import { permissionEnd } from './transfer-piece.ts'

export interface ListComponents extends StoreComponents {
  /** The 32 bytes of the account's private key: the list's keys follow from it. */
  readonly accountKey: Uint8Array
  readonly ciphers: PieceCiphers
  readonly nodeHasher: NodeHasher
}

export const SLOTS = [0, 1] as const
export type Slot = (typeof SLOTS)[number]

/** Replicas of a list: as many as anybody stores. */
const LIST_REPLICAS_MAX = 16

/** A replica of a list. */
export interface StoredList {
  readonly slot: Slot
  readonly replica: number
  readonly deal: Deal
  readonly piece: DealPiece
}

/** What stands under the labels of a slot in the account's deals, the newest first. */
export function findLists(
  { ledger, signer }: Pick<ListComponents, 'ledger' | 'signer'>,
  keys: ObjectListKeys,
  slot: Slot
): StoredList[] {
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

export interface OpenedList {
  readonly list: ObjectList
  /** Whether another one that stands is the very same list: by its PieceCID, without asking anybody. */
  isReplica(other: StoredList): boolean
}

/** Reads one. @throws {CoreError} `LIST_INVALID`; `PROVIDER_FAILED` */
export async function readList(
  components: ListComponents,
  keys: ObjectListKeys,
  { slot, replica, deal, piece }: StoredList,
  signal: AbortSignal | undefined
): Promise<OpenedList> {
  const { ledger, signer, ciphers, nodeHasher } = components
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
  const layer = { ciphers, repairKey: keys.slots[slot], layout: 'distinct' } as const
  const inner = bytes.slice()
  const verdict = openObjectList({ bytes, slot, replica }, { keys, ciphers })
  if (!verdict.ok) throw new CoreError('LIST_INVALID', `it gave bytes that are no list of yours (${verdict.reason})`)
  replicaKeystream(layer, { replica, piece: 0 }, 0).xor(inner)
  return {
    list: verdict.list,
    isReplica: other =>
      other.slot === slot &&
      other.piece.rawSize === inner.length &&
      digestOfReplica(inner, layer, other.replica, nodeHasher).cid.equals(other.piece.cid)
  }
}

/** What the piece of a replica is called. */
function digestOfReplica(inner: Uint8Array, layer: ReplicaLayer, replica: number, nodeHasher: NodeHasher): PieceDigest {
  const bytes = inner.slice()
  replicaKeystream(layer, { replica, piece: 0 }, 0).xor(bytes)
  const hasher = createPieceHasher({ nodeHasher })
  hasher.update(bytes)
  return hasher.digest()
}

/** Names a replica where it stands. */
export function keyOfList({ deal, piece }: StoredList): string {
  return `${deal.id}/${piece.id}`
}

/** Whether nobody has removed it since it was found. */
export function stands({ deals }: LedgerState, { deal, piece }: StoredList): boolean {
  const now = deals.get(deal.id)
  return now !== undefined && isRunning(now) && now.pieces.some(({ id, ...one }) => id === piece.id && isPresent(one))
}

/** A sealed list as the object that `storeObject` stores. */
export function listObject(
  inner: Uint8Array,
  keys: ObjectListKeys,
  slot: Slot,
  { ciphers, nodeHasher }: ListComponents
): StorableObject {
  const layer = { ciphers, repairKey: keys.slots[slot], layout: 'distinct' } as const
  const made = new Map<number, ReplicaPiece>()
  async function* from(offset: number): AsyncGenerator<Uint8Array> {
    yield inner.slice(offset)
  }
  function pieceOf(replica: number): ReplicaPiece {
    const place = { replica, piece: 0 }
    const { cid } = digestOfReplica(inner, layer, replica, nodeHasher)
    return {
      label: deriveLabel(layer.repairKey, place),
      rawSize: inner.length,
      leafCount: leafCountOf(inner.length),
      cid,
      commit: async () => cid,
      read: offset => readReplica({ ...layer, place, inner: from(offset), offset })
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
