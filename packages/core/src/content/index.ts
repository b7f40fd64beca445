/** Content: trees of files ↔ UnixFS DAGs, and the CARv1 pieces that carry them. */
export { abortable, iterateAbortably } from './abortable.ts'
export * from './block.ts'
export { type FetchBlocks, READ_AHEAD_BLOCKS, READ_AHEAD_BYTES, STREAMED_BLOCKS_MAX } from './block-reader.ts'
export * from './car.ts'
export * from './car-scanner.ts'
export * from './content-source.ts'
export * from './entry-name.ts'
export type { HashingOptions, PieceHashing } from './hash-pieces.ts'
export { LastUsed, remembered } from './last-used.ts'
export { type BlockPart, createLeafParts, LEAF_PART_SIZE_BYTES, type LeafParts, rightBytesOf } from './leaf-parts.ts'
export * from './pack.ts'
export { type PackCarOptions, packCar } from './pack-car.ts'
export { type LayOutSourceOptions, layOutSource, type PackSourceOptions, packSource } from './pack-source.ts'
export type { LaidOutPiece, OpenPiece, PackedPiece, PieceSink, TrailerSizeOf } from './piece-packer.ts'
export {
  borrowBuffer,
  PIECE_SIZE_BYTES_MIN,
  PIECE_SIZE_LIMIT_BYTES_MIN,
  PIECE_WRITE_SIZE_BYTES
} from './piece-packer.ts'
export * from './read.ts'
export { READ_BUDGET_DEFAULT, type ReadBudget } from './read-budget.ts'
export { type FileRange, partsInRange } from './read-file.ts'
export { type ReadBytesOptions, readBytes } from './read-path.ts'
export { createRecentBlocks, type RecentBlocks } from './recent-blocks.ts'
export {
  compareEntryNames,
  REUSABLE_CHUNK_SIZE_BYTES,
  type SourceEntry,
  SYMLINK_TARGET_SIZE_BYTES_MAX
} from './source-entry.ts'
export type { UnixfsProfile } from './unixfs-builder.ts'
