/**
 * The pieces that an account's lists stand as: found on the ledger, read from a provider, made for a store.
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
  OBJECT_LIST_SIZE_BYTES_MAX,
  type ObjectList,
  type ObjectListKeys,
  openObjectList,
  type PieceCiphers,
  readReplica,
  signReadPermission
} from '../pieces/index.ts'
import { replicaKeystream } from '../pieces/replica-layer.ts'
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

/** Reads one. @throws {CoreError} `LIST_INVALID`; `PROVIDER_FAILED` */
export async function readList(
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
