/** Which deals hold pieces of an object, and which of its pieces: by root or reference, from the ledger alone. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { CID } from 'multiformats/cid'
import { isRunning } from '../ledger/live-deals.ts'
import { isPresent } from '../ledger/piece-rules.ts'
import type { Deal, DealPiece, LedgerState } from '../ledger/state.ts'
import { deriveLabel, deriveObjectKeys, type ObjectReference, REPLICAS_PER_OBJECT_MAX } from '../pieces/index.ts'
import type { Address } from '../schema.ts'

export interface ObjectDeal {
  readonly deal: Deal
  /** Which replica; 0 where replicas are identical. */
  readonly replica: number
  /** Pieces of the object that the deal holds and nobody has removed. */
  readonly pieces: readonly DealPiece[]
}

/** Replicas of an object that have no piece, one after the other, before it is believed that there are no more. */
const GAP_MAX = 8

/**
 * @param client - only deals of this account; undefined for everybody's
 * @returns running deals in the order of replicas, then of their numbers
 */
export function findObjectDeals(
  state: LedgerState,
  name: CID | ObjectReference,
  client: Address | undefined
): ObjectDeal[] {
  const deals = [...state.deals.values()].filter(
    deal => isRunning(deal) && (client === undefined || deal.client === client)
  )
  const byLabel = Map.groupBy(
    deals.flatMap(deal => deal.pieces.filter(isPresent).map(piece => ({ deal, piece }))),
    ({ piece }) => piece.label
  )
  const found: ObjectDeal[] = []
  for (const [replica, labels] of labelsOf(name)) {
    const held = [...labels].flatMap(label => byLabel.get(bytesToHex(label)) ?? [])
    for (const pieces of Map.groupBy(held, ({ deal }) => deal).values())
      found.push({ deal: pieces[0]!.deal, replica, pieces: pieces.map(({ piece }) => piece) })
    if (held.length === 0 && replica - (found.at(-1)?.replica ?? -1) >= GAP_MAX) break
  }
  return found
}

/** The labels of each replica; whoever reads on decides when there are no more. */
function* labelsOf(name: CID | ObjectReference): Generator<[number, Iterable<Uint8Array>]> {
  if (!('secret' in name)) {
    yield [0, [name.bytes]]
    return
  }
  const { repairKey } = deriveObjectKeys(name.secret)
  const end = name.layout === 'identical' ? 1 : REPLICAS_PER_OBJECT_MAX
  const { pieceCount } = name
  function* ofReplica(replica: number): Generator<Uint8Array> {
    for (let piece = 0; piece < pieceCount; piece++) yield deriveLabel(repairKey, { replica, piece })
  }
  for (let replica = 0; replica < end; replica++) yield [replica, ofReplica(replica)]
}
