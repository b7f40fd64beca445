/**
 * `@holdfast/core`: the library that apps embed. Reads as a table of contents; runs in Node and in browsers.
 *
 * Time, chance, disk and network are passed in, so that everything here also runs in one process under a simulator.
 */
export * from './beacon/beacon.ts'
export * from './beacon/drand-beacon.ts'
export * from './client/components.ts'
export * from './client/fetch-blocks.ts'
export type { HttpAnswer, HttpRequest, HttpSource } from './client/fetch-over-http.ts'
export * from './client/find-replicas.ts'
export { peerOriginOf } from './client/http-origin.ts'
export type { ListComponents } from './client/list-pieces.ts'
export {
  createPermits,
  createPieceLocator,
  type FindReplicas,
  findPiece,
  type LocateComponents,
  type PieceAtProvider,
  toReplica
} from './client/locate-pieces.ts'
export { type MeasureComponents, measureLatencies } from './client/measure-latency.ts'
export * from './client/measurements.ts'
export { findObjectDeals, type ObjectDeal, toRepairReference } from './client/object-deals.ts'
export * from './client/object-name.ts'
export * from './client/object-status.ts'
export * from './client/open-object.ts'
export { createOpenedObjects, type OpenedObjects } from './client/opened-objects.ts'
export * from './client/pack-object.ts'
export type { PlaceComponents, StoreNeeds } from './client/place-store.ts'
export * from './client/private-object.ts'
export * from './client/proof-history.ts'
export * from './client/public-object.ts'
export { quoteStore, type StoreQuote } from './client/quote-store.ts'
export { RANGE_OVER_HTTP_SIZE_BYTES_MAX } from './client/range-over-http.ts'
export { type RangeComponents, type RangeRequest, readPieceRange } from './client/read-piece-range.ts'
export * from './client/remove-object.ts'
export * from './client/repair-object.ts'
export type { SubmitComponents } from './client/sign-and-submit.ts'
export * from './client/staging.ts'
export * from './client/store.ts'
export {
  changeStoredObjectList,
  type ListOptions,
  type ReadList,
  readStoredObjectList
} from './client/stored-object-list.ts'
export type { StoredReplica } from './client/survey.ts'
export * from './client/top-up.ts'
export * from './client/transfer-terms.ts'
export * from './clock.ts'
export * from './content/index.ts'
export * from './credits.ts'
export * from './error.ts'
export * from './evidence/check-receipt.ts'
export * from './evidence/judge-transcript.ts'
export * from './evidence/make-receipt.ts'
export * from './evidence/merkle-consistency.ts'
export * from './evidence/merkle-path.ts'
export * from './evidence/merkle-root.ts'
export {
  type DealReceipt,
  decodeReceipt,
  encodeReceipt,
  RECEIPT_SIZE_BYTES_MAX,
  receiptSchema
} from './evidence/receipt.ts'
export * from './evidence/transcript.ts'
export * from './identity.ts'
export * from './ledger/apply.ts'
export * from './ledger/asks.ts'
export * from './ledger/commands.ts'
export * from './ledger/credit-lines.ts'
export * from './ledger/entry.ts'
export * from './ledger/event.ts'
export * from './ledger/fallback-source.ts'
export * from './ledger/follower.ts'
export * from './ledger/fork-proof.ts'
export * from './ledger/hash-state.ts'
export * from './ledger/head-watch.ts'
export * from './ledger/invariants.ts'
export * from './ledger/label-index.ts'
export * from './ledger/ledger.ts'
export * from './ledger/light-read.ts'
export * from './ledger/live-deals.ts'
export * from './ledger/log-head.ts'
export * from './ledger/log-proofs.ts'
export * from './ledger/log-tree.ts'
export * from './ledger/memory-ledger.ts'
export * from './ledger/network-source.ts'
export { isPresent } from './ledger/piece-rules.ts'
export * from './ledger/price.ts'
export { assignmentOf, checkProofs } from './ledger/proof-rules.ts'
export type { Refusal as LedgerRefusal, RefusalCode } from './ledger/refusal.ts'
export * from './ledger/remote-source.ts'
export * from './ledger/round-evidence.ts'
export type { LedgerTools } from './ledger/rules.ts'
export * from './ledger/seen-receipt.ts'
export * from './ledger/signed-digests.ts'
export * from './ledger/state.ts'
export * from './ledger/state-codec.ts'
export * from './ledger/state-diff.ts'
export * from './ledger/statements.ts'
export * from './ledger/step-invariants.ts'
export * from './network.ts'
export * from './observations/look.ts'
export * from './observations/observation.ts'
export * from './observations/observation-book.ts'
export * from './observations/observer.ts'
export {
  drawObject,
  drawPauseMs,
  drawReadSize,
  type ObservedObject,
  READ_SIZE_BYTES_MAX,
  READ_SIZE_BYTES_MIN
} from './observations/plan-observation.ts'
export * from './pieces/index.ts'
export * from './placement/index.ts'
export * from './protocols/definitions.ts'
export * from './protocols/index.ts'
export * from './provider/judge-order.ts'
export * from './provider/judge-read.ts'
export * from './provider/judge-upload.ts'
export * from './provider/prove.ts'
export * from './provider/prover.ts'
export * from './provider/repair-notice.ts'
export * from './provider/self-audit.ts'
export * from './reports/confidence.ts'
export * from './reports/percentiles.ts'
export * from './reports/provider-report.ts'
export * from './reports/verification-history.ts'
export * from './reports/verified-object.ts'
export * from './rounds/assignment.ts'
export * from './rounds/boundaries.ts'
export * from './rounds/challenge.ts'
export type { Docket, DocketLeaf } from './rounds/docket.ts'
export * from './rounds/freeze.ts'
export * from './rounds/outcome.ts'
export * from './rounds/schedule.ts'
export * from './rounds/verdicts.ts'
export * from './schema.ts'
export type { AnswerEvent } from './verifier/answer-demands.ts'
export * from './verifier/check-transcript.ts'
export {
  createMemoryDialLog,
  type DialLog,
  type DialOutcome,
  type DialRecord,
  dialRecordSchema
} from './verifier/dial-log.ts'
export { type CostOfDeal, type ExpectedIncome, expectIncome, type PlannedStake } from './verifier/expected-income.ts'
export type { CheckedProof } from './verifier/round-checks.ts'
export * from './verifier/sealed-round.ts'
export * from './verifier/show-transcript.ts'
export * from './verifier/transcript-store.ts'
export * from './verifier/verifier.ts'
export * from './watch/index.ts'
