/** Repair: a lost replica made again of one that survives, by somebody who cannot read either. */
import { createPieceHasher, decodePieceCid, type NodeHasher } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { iterateAbortably } from '../content/index.ts'
import { CoreError } from '../error.ts'
import type { PieceReplica } from './frame-reader.ts'
import { type ReplicaLayer, replicaKeystream } from './replica-layer.ts'

export interface RepairReplicaOptions extends ReplicaLayer {
  /** Which piece of the object. */
  readonly piece: number
  readonly from: PieceReplica
  /** Number of the replica that is made. */
  readonly to: number
  /** Of the replica that is made, as it stands on the ledger. */
  readonly cid: CID
  readonly nodeHasher: NodeHasher
  readonly signal?: AbortSignal | undefined
}

/**
 * The bytes of the lost piece, chunk by chunk. The last chunk is held back until all of them are found to be the piece
 * that the ledger names, so that who writes them somewhere never completes another one.
 *
 * Takes the repair key alone, and so cannot tell which bytes of the source were wrong: only that the whole is.
 *
 * @throws {CoreError} `REPAIR_MISMATCH`; what the source throws
 * @throws {RangeError} when `cid` is no PieceCIDv2
 */
export async function* repairReplica(options: RepairReplicaOptions): AsyncGenerator<Uint8Array> {
  const { piece, from, to, cid, nodeHasher, signal } = options
  const named = decodePieceCid(cid.bytes)
  if (!named.ok) throw new RangeError(`${cid} names no piece (${named.reason})`)
  const size = named.commitment.rawSize
  const layers = [from.replica, to].map(replica => replicaKeystream(options, { replica, piece }, 0))
  const hasher = createPieceHasher({ nodeHasher })
  let held: Uint8Array | undefined
  let sizeBytes = 0
  for await (const chunk of iterateAbortably(from.read(0, size, { signal }), signal)) {
    sizeBytes += chunk.length
    if (sizeBytes > size) break
    for (const layer of layers) layer.xor(chunk)
    hasher.update(chunk)
    if (held !== undefined) yield held
    held = chunk
  }
  const made = hasher.digest().cid
  if (sizeBytes !== size || !made.equals(cid)) {
    throw new CoreError(
      'REPAIR_MISMATCH',
      `replica ${from.replica} of piece ${piece} gave other bytes than those that replica ${to} is made of; try another one`,
      { piece, from: from.replica, to, expected: cid.toString(), got: made.toString(), sizeBytes }
    )
  }
  if (held !== undefined) yield held
}
