import { type ReadTreeOptions, readTree } from './read-tree.ts'

export interface TreeSize {
  readonly fileCount: number
  readonly contentSizeBytes: number
}

/**
 * What `readTree` with the same options will read, without opening a file: the total of a progress bar. A tree that
 * changes in between may give more or less.
 *
 * @throws {PeerError} what `readTree` throws
 */
export async function measureTree(path: string, options: ReadTreeOptions = {}): Promise<TreeSize> {
  let fileCount = 0
  let contentSizeBytes = 0
  for await (const entry of readTree(path, options)) {
    if (entry.kind !== 'file') continue
    fileCount += 1
    contentSizeBytes += entry.sizeBytes
  }
  return { fileCount, contentSizeBytes }
}
