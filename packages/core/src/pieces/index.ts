/** Private pieces: keys, labels, encryption, replicas, reading, references. The bytes stand in PIECES.md. */
export { CACHED_FRAMES_MAX, createSharedFrames, FrameCache, type SharedFrames } from './frame-cache.ts'
export { FrameReader, type FrameReaderOptions, type PieceReplica, type ReplicaFailure } from './frame-reader.ts'
export { contentSizeOf, FRAME_CONTENT_SIZE_BYTES, FRAME_SIZE_BYTES, sealedSizeOf } from './frames.ts'
export * from './label.ts'
export * from './locked-reference.ts'
export type { Manifest } from './manifest.ts'
export {
  asRepairKey,
  deriveLabel,
  deriveLabelKey,
  deriveObjectKeys,
  OBJECT_SECRET_SIZE_BYTES,
  type ObjectKeys,
  PIECES_PER_OBJECT_MAX,
  REPLICAS_PER_OBJECT_MAX,
  type ReadKey,
  type RepairKey,
  type ReplicaPlace
} from './object-keys.ts'
export * from './object-list.ts'
export * from './pack-private.ts'
export * from './piece-ciphers.ts'
export type { BlockPlace, PieceFooter } from './piece-footer.ts'
export * from './private-blocks.ts'
export { type OpenedPiece, type OpenPieceOptions, openPrivatePiece } from './private-piece.ts'
export * from './read-permission.ts'
export {
  formatReference,
  formatRepairReference,
  type ObjectReference,
  parseReference,
  parseRepairReference,
  type ReferenceFault,
  type ReferenceVerdict,
  type RepairReference
} from './reference.ts'
export * from './repair-replica.ts'
export {
  hashReplica,
  type ReadReplicaOptions,
  type ReplicaLayer,
  type ReplicaLayout,
  readReplica
} from './replica-layer.ts'
