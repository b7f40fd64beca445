/** Which deals hold pieces of an object, and which of its pieces: by root or reference, from the ledger alone. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { CID } from 'multiformats/cid'
import { isRunning } from '../ledger/live-deals.ts'
import { isPresent } from '../ledger/piece-rules.ts'
import type { Deal, DealPiece, LedgerState } from '../ledger/state.ts'
import {
  deriveLabel,
  deriveObjectKeys,
  type ObjectReference,
  REPLICAS_PER_OBJECT_MAX,
  type RepairReference,
  type ReplicaPlace
} from '../pieces/index.ts'
import type { Address } from '../schema.ts'

export interface ObjectDeal {
  readonly deal: Deal
  /** Which replica; 0 where replicas are identical. */
  readonly replica: number
  /** Pieces of the object that the deal holds and nobody has removed. */
  readonly pieces: readonly DealPiece[]
}

/** A piece of an object in a deal. */
export interface HeldPiece {
  /** Of a public object always the first: all of its pieces stand under one label, and nothing says which is which. */
  readonly place: ReplicaPlace
  readonly deal: Deal
  readonly piece: DealPiece
}

/** Replicas of an object that have no piece, one after the other, before it is believed that there are no more. */
const GAP_MAX = 8

/**
 * @param client - only deals of this account; undefined for everybody's
 * @param isWanted - which deals; those that run when left out
 * @returns in the order of replicas, then of their numbers
 */
export function findObjectDeals(
  state: LedgerState,
  name: CID | ObjectReference,
  client: Address | undefined,
  isWanted: (deal: Deal) => boolean = isRunning
): ObjectDeal[] {
  const held = findHeldPieces(state, 'secret' in name ? toRepairReference(name) : name, client, isWanted)
  return [...Map.groupBy(held, ({ place }) => place.replica)].flatMap(([replica, ofReplica]) =>
    [...Map.groupBy(ofReplica, ({ deal }) => deal)].map(([deal, pieces]) => ({
      deal,
      replica,
      pieces: pieces.map(({ piece }) => piece)
    }))
  )
}

/** What finds and converts the replicas of a private object, and reads none of them. */
export function toRepairReference({ secret, layout, pieceCount }: ObjectReference): RepairReference {
  return { repairKey: deriveObjectKeys(secret).repairKey, layout, pieceCount }
}

/**
 * Every piece of an object that a deal holds, with its place: the root or the repair key is enough to find them.
 *
 * @param client - as `findObjectDeals`
 * @param isWanted - as there
 * @returns in the order of replicas, then of pieces
 */
export function findHeldPieces(
  state: LedgerState,
  name: CID | RepairReference,
  client: Address | undefined,
  isWanted: (deal: Deal) => boolean = isRunning
): HeldPiece[] {
  const deals = [...state.deals.values()].filter(
    deal => isWanted(deal) && (client === undefined || deal.client === client)
  )
  const byLabel = Map.groupBy(
    deals.flatMap(deal => deal.pieces.filter(isPresent).map(piece => ({ deal, piece }))),
    ({ piece }) => piece.label
  )
  const found: HeldPiece[] = []
  for (const [replica, labels] of labelsOf(name)) {
    const before = found.length
    for (const { place, label } of labels)
      for (const held of byLabel.get(bytesToHex(label)) ?? []) found.push({ place, ...held })
    if (found.length === before && replica - (found.at(-1)?.place.replica ?? -1) >= GAP_MAX) break
  }
  return found
}

interface LabelledPlace {
  readonly place: ReplicaPlace
  readonly label: Uint8Array
}

/** The labels of each replica; whoever reads on decides when there are no more. */
function* labelsOf(name: CID | RepairReference): Generator<[number, Iterable<LabelledPlace>]> {
  if (!('repairKey' in name)) {
    yield [0, [{ place: { replica: 0, piece: 0 }, label: name.bytes }]]
    return
  }
  const { repairKey, pieceCount } = name
  const end = name.layout === 'identical' ? 1 : REPLICAS_PER_OBJECT_MAX
  function* ofReplica(replica: number): Generator<LabelledPlace> {
    for (let piece = 0; piece < pieceCount; piece++) {
      const place = { replica, piece }
      yield { place, label: deriveLabel(repairKey, place) }
    }
  }
  for (let replica = 0; replica < end; replica++) yield [replica, ofReplica(replica)]
}
