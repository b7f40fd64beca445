/**
 * What a store asks of the Level database that indexes it: strings in order, and batches that wait for the disk.
 *
 * A `Level` and a sublevel of one both are an `IndexLevel`. Nothing kept here is the only copy of anything: LevelDB can
 * lose synced records and return flipped bits without an error.
 */
export interface IndexLevel {
  get(key: string): Promise<string | undefined>
  batch(operations: IndexOperation[], options: IndexWriteOptions): Promise<void>
  iterator(options: IndexRange): AsyncIterable<[string, string]>
}

export type IndexOperation =
  | { readonly type: 'put'; readonly key: string; readonly value: string }
  | { readonly type: 'del'; readonly key: string }

export interface IndexRange {
  gte?: string
  lt?: string
  lte?: string
  reverse?: boolean
  limit?: number
}

export interface IndexWriteOptions {
  /** LevelDB's own option: the write resolves only when it is on the platter. Level's types know it for the root only. */
  sync?: boolean
  keyEncoding?: 'utf8'
}

/** For writes that something else relies on. */
export const DURABLE: IndexWriteOptions = { sync: true }
/** For writes that may be lost because they can be made again. */
export const REBUILDABLE: IndexWriteOptions = { sync: false }
