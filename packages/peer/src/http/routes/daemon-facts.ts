/** What the routes ask of a running peer: narrow enough for tests to make one, wide enough for all screens. */
import type { Address, DialLog, Ledger, ObservationBook, TranscriptStore, VerificationHistory } from '@holdfast/core'
import type { Finding } from '../../doctor/finding.ts'
import type { CreditBook } from '../../ledger/credit-book.ts'
import type { ExplainedBytes } from '../../provider/explain-bytes.ts'
import type { RoundBook } from '../../verifier/round-book.ts'
import type { BytesByState, PeerView } from '../../views/donor-views.ts'

export interface OwnAsk {
  readonly pricePerLeafRound: bigint
  readonly capacityBytes: number
  readonly region: string
  readonly addresses: string[]
  /** An ask counts from the next round on. */
  readonly inForce: boolean
}

export interface VerifierFacts {
  readonly rounds: Pick<RoundBook, 'rounds'>
  readonly dials: Pick<DialLog, 'read'>
  readonly transcripts: Pick<TranscriptStore, 'sealed' | 'get'>
  readonly observations: Pick<ObservationBook, 'list' | 'providers'>
}

export interface DaemonFacts {
  readonly address: Address
  readonly ledger: Ledger
  readonly credits: CreditBook
  /** Milliseconds of Unix time. */
  nowMs(): number
  /** Undefined for a peer that is no verifier. */
  readonly verifier: VerifierFacts | undefined
  /** How each deal was last verified; the first call reads the log. */
  verifications(signal?: AbortSignal): Promise<Pick<VerificationHistory, 'of'>>
  peer(): Promise<PeerView>
  examine(signal: AbortSignal): Promise<readonly Finding[]>
  /** @throws {PeerError} `NO_STORE` for a peer that is no provider */
  bytes(): Promise<{ readonly bytes: BytesByState; readonly explained: ExplainedBytes }>
  /** @throws {PeerError} `NO_ASK` */
  ask(): OwnAsk
  /** @throws {PeerError} what the ledger refused with */
  setAsk(
    wishes: { readonly pricePerLeafRound?: bigint | undefined; readonly region?: string | undefined },
    signal: AbortSignal
  ): Promise<OwnAsk>
  denied(): Promise<string[]>
  /** @throws {PeerError} `CID_INVALID` */
  deny(cid: string): Promise<string[]>
  allow(cid: string): Promise<string[]>
}
