/** What the client's functions work with; each takes only what it needs. */
import type { Libp2p } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { Signer } from '../identity.ts'
import type { Ledger } from '../ledger/ledger.ts'

export interface StoreComponents {
  readonly node: Pick<Libp2p, 'dialProtocol'>
  readonly ledger: Ledger
  /** The account that pays. */
  readonly signer: Signer
  readonly random: (sizeBytes: number) => Uint8Array
}

/** A packed object that can be read again, piece by piece, for as many replicas as it takes. */
export interface StoredObject {
  readonly root: CID
  readonly pieces: readonly { readonly cid: CID; readonly rawSize: number; readonly leafCount: number }[]
  /** Raw bytes of a piece from an offset on. */
  readPiece(index: number, offset: number): AsyncIterable<Uint8Array>
}
