/** The peer's disk: pieces, their blocks, and the index they are found by. */
export { type DenyList, openDenyList, parseDenyList } from './deny-list.ts'
export { createPieceStore } from './disk-piece-store.ts'
export {
  DISK_RESERVE_SIZE_BYTES,
  type DiskReserve,
  LEDGER_RESERVE_SIZE_BYTES,
  openDiskReserve
} from './disk-reserve.ts'
export { type HealingLevel, openHealingLevel } from './healing-level.ts'
export type { IndexLevel } from './index-level.ts'
export { createIntakeWorkers, type IntakeWorkers } from './intake-workers.ts'
export { openPeerStore, type PeerStore } from './open-peer-store.ts'
export { createPieceBlockstore, PLACES_TRIED_MAX } from './piece-blockstore.ts'
export type { DiskFloor, PieceDirectoryOptions } from './piece-directory.ts'
export type { PieceHolder } from './piece-index.ts'
export * from './piece-store.ts'
export { areSpansRight, createSpanSummer, SPAN_SIZE_BYTES, spansAround } from './span-checksums.ts'
export { createVerifiedReader, type VerifiedPiece, type VerifiedReader } from './verified-reader.ts'
