/** What the provider's side of the wire works with. */
import type {
  Clock,
  LeaseLimits,
  Ledger,
  Prover,
  ProviderTerms,
  SignatureVerifier,
  Signer,
  TrafficLimiter
} from '@holdfast/core'
import type { NodeHasher } from '@holdfast/proofs'
import type { Libp2p } from '@libp2p/interface'
import type { Blockstore } from 'interface-blockstore'
import type { PieceStore } from '../storage/index.ts'
import type { PeerWeb } from '../transport/peer-web.ts'
import type { TransferBudget } from './transfer-budget.ts'

/** Pieces that this provider is paid for, lost, and cannot fetch again by itself. */
export interface LostPieces {
  /** PieceCIDv2s as text. */
  list(): readonly string[]
  /** Told of one whose bytes have come. */
  mended(piece: string): void
}

export interface ProviderComponents {
  readonly node: Pick<Libp2p, 'handle' | 'unhandle' | 'dialProtocol'>
  /** HTTPS at the peer's own port. */
  readonly web: Pick<PeerWeb, 'serve'>
  readonly webLimiter: TrafficLimiter
  /** Told of our own bugs while HTTP is answered. */
  readonly onError: (error: unknown) => void
  readonly ledger: Ledger
  readonly signer: Signer
  readonly signatures: SignatureVerifier
  readonly store: PieceStore
  readonly blocks: Pick<Blockstore, 'get'>
  readonly nodeHasher: NodeHasher
  readonly clock: Clock
  readonly prover: Prover
  readonly terms: ProviderTerms
  readonly leaseLimits: LeaseLimits
  readonly budget: TransferBudget
  /** Addresses that this peer tells others; it dials what reaches no less far. */
  readonly announced: () => readonly string[]
  /** What only clients can make good; nothing when left out. */
  readonly lost?: LostPieces
}
