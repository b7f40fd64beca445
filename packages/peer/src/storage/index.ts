/** The peer's disk: pieces, their blocks, and the index they are found by. */
export { createPieceStore } from './disk-piece-store.ts'
export type { IndexLevel } from './index-level.ts'
export { createPieceBlockstore } from './piece-blockstore.ts'
export * from './piece-store.ts'
