/** A private object whose replicas leave from one set of inner pieces, each under its own keystream and labels. */
import { leafCountOf, type NodeHasher } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import {
  deriveLabel,
  deriveLabelKey,
  deriveObjectKeys,
  hashReplica,
  type ObjectReference,
  type PieceCiphers,
  type PrivatePiece,
  type ReplicaPlace,
  readReplica,
  signReadPermission
} from '../pieces/index.ts'
import type { ReplicaPiece, StorableObject } from './components.ts'

export interface InnerPieces {
  readonly pieces: readonly Pick<PrivatePiece, 'sizeBytes' | 'cids'>[]
  /** Bytes of an inner piece from an offset on; the chunks belong to the caller. */
  readPiece(index: number, offset: number): AsyncIterable<Uint8Array>
}

/** The PieceCIDs of replicas beyond those that were computed while packing are hashed when they are needed. */
export function createPrivateObject(
  reference: Pick<ObjectReference, 'secret' | 'layout'>,
  { pieces, readPiece }: InnerPieces,
  { ciphers, nodeHasher }: { readonly ciphers: PieceCiphers; readonly nodeHasher: NodeHasher }
): StorableObject {
  const { secret, layout } = reference
  const { repairKey } = deriveObjectKeys(secret)
  const layer = { ciphers, repairKey, layout }
  const made = new Map<number, readonly ReplicaPiece[]>()

  function pieceOf(place: ReplicaPlace): ReplicaPiece {
    const { sizeBytes: rawSize, cids } = pieces[place.piece]!
    let label: Uint8Array | undefined
    let hashing: Promise<CID> | undefined
    const known = cids[place.replica]
    return {
      /** Costs a multiplication on the curve: computed for those that are looked at. */
      get label() {
        label ??= deriveLabel(repairKey, place)
        return label
      },
      rawSize,
      leafCount: leafCountOf(rawSize),
      // Pieces of identical replicas share a label, but never two pieces of one object.
      cid: undefined,
      async commit() {
        if (known !== undefined) return known
        hashing ??= hashReplica({ ...layer, place, inner: readPiece(place.piece, 0) }, nodeHasher).then(
          ({ cid }) => cid
        )
        return await hashing
      },
      read: offset => readReplica({ ...layer, place, inner: readPiece(place.piece, offset), offset }),
      permit: (terms, digestOf) => signReadPermission(deriveLabelKey(repairKey, place), terms, digestOf)
    }
  }

  return {
    areReplicasIdentical: layout === 'identical',
    replica(index) {
      const replica = layout === 'identical' ? 0 : index
      const replicaPieces = made.get(replica) ?? pieces.map((_, piece) => pieceOf({ replica, piece }))
      made.set(replica, replicaPieces)
      return replicaPieces
    }
  }
}
