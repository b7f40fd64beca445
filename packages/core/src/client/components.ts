/** What the client's functions work with; each takes only what it needs. */
import type { Libp2p } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { Clock } from '../clock.ts'
import type { Signer } from '../identity.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { StatementDigest } from '../ledger/statements.ts'
import type { ReadPermission, ReadPermissionTerms } from '../pieces/read-permission.ts'
import type { Measurements } from './measurements.ts'
import type { Patience } from './transfer-terms.ts'

export interface StoreComponents {
  readonly node: Pick<Libp2p, 'dialProtocol'>
  readonly ledger: Ledger
  /** The account that pays. */
  readonly signer: Signer
  readonly random: (sizeBytes: number) => Uint8Array
  /** Default: forgotten with the call. */
  readonly measurements?: Measurements
  /** Default the machine's. */
  readonly clock?: Clock
  readonly patience?: Patience
}

/** One piece of one replica, as it goes to a provider. */
export interface ReplicaPiece {
  /** What stands on the ledger beside the PieceCID: how its owner finds it again. */
  readonly label: Uint8Array
  readonly rawSize: number
  /** Leaves that hold data. */
  readonly leafCount: number
  /** PieceCIDv2. Undefined when the label is of this piece alone, and the CID is only known once the bytes were hashed. */
  readonly cid: CID | undefined
  /** The PieceCID, hashed now if it must be. */
  commit(signal?: AbortSignal): Promise<CID>
  /** Raw bytes from an offset on; as often as it takes. */
  read(offset: number): AsyncIterable<Uint8Array>
  /** Lets a peer read this piece at a provider. Absent where everybody may. */
  permit?(terms: ReadPermissionTerms, digestOf: StatementDigest): ReadPermission
}

/** An object that can be sent, replica by replica, to as many providers as it takes. */
export interface StorableObject {
  /** Whether all replicas are the same bytes, so that providers can fetch them from each other. */
  readonly areReplicasIdentical: boolean
  /** The pieces of a replica, counted from 0. Cheap: bytes are made when they are read. */
  replica(index: number): readonly ReplicaPiece[]
}
