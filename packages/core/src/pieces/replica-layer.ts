/**
 * The outer layer: one inner piece becomes the piece of a replica by a keystream of that replica's own, from any byte on.
 * So an object is encrypted and kept on disk once, however many replicas leave from there.
 */
import { createPieceHasher, type NodeHasher, type PieceDigest } from '@holdfast/proofs'
import { deriveReplicaKey, type RepairKey, type ReplicaPlace } from './object-keys.ts'
import type { Keystream, PieceCiphers } from './piece-ciphers.ts'

/**
 * `distinct`: every replica is other bytes under its own keystream, so that each is proved by itself. `identical`: no outer
 * layer; all replicas are the inner piece, one upload serves all, and nothing shows that they are several.
 */
export type ReplicaLayout = 'distinct' | 'identical'

export interface ReplicaLayer {
  readonly ciphers: PieceCiphers
  readonly repairKey: RepairKey
  readonly layout: ReplicaLayout
}

export interface ReadReplicaOptions extends ReplicaLayer {
  readonly place: ReplicaPlace
  /** The inner piece from `offset` on. Its chunks are overwritten. */
  readonly inner: AsyncIterable<Uint8Array>
  /** Default 0. */
  readonly offset?: number
}

/** The bytes of a replica's piece, chunk by chunk as the inner piece comes. */
export async function* readReplica({
  place,
  inner,
  offset = 0,
  ...layer
}: ReadReplicaOptions): AsyncGenerator<Uint8Array> {
  const keystream = replicaKeystream(layer, place, offset)
  for await (const chunk of inner) {
    keystream.xor(chunk)
    yield chunk
  }
}

/** Reads a whole inner piece to learn what the piece of a replica is called. */
export async function hashReplica(
  options: Omit<ReadReplicaOptions, 'offset'>,
  nodeHasher: NodeHasher
): Promise<PieceDigest> {
  const hasher = createPieceHasher({ nodeHasher })
  for await (const chunk of readReplica(options)) hasher.update(chunk)
  return hasher.digest()
}

const UNCHANGED: Keystream = { xor: (bytes, into) => into?.set(bytes) }

/** What turns inner bytes from `offset` on into those of a replica, and back. */
export function replicaKeystream(
  { ciphers, repairKey, layout }: ReplicaLayer,
  place: ReplicaPlace,
  offset: number
): Keystream {
  return layout === 'identical' ? UNCHANGED : ciphers.keystream(deriveReplicaKey(repairKey, place), offset)
}
