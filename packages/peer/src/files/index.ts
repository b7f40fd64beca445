/** Trees of files on disk: read as sources to pack, written from content that was read, compared. */
export * from './compare-trees.ts'
export * from './measure-tree.ts'
export * from './read-tree.ts'
export * from './safe-join.ts'
export * from './write-tree.ts'
