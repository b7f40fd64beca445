/**
 * Walks a UnixFS DAG that strangers made and yields what it holds, depth first, directories before their entries, in
 * the order of the links. Iterative, with a budget for everything that a DAG can claim; every block is checked against
 * its CID before it is decoded, every shard before it is walked, every name before it is handed out.
 *
 * Never trusts a size: what a link claims for read-ahead is a hint, and what a file claims is compared with what it
 * delivers. Does not check that a shard's entries hash to their slots, so it lists a directory and does not look up.
 */
import type { CID } from 'multiformats/cid'
import { CoreError } from '../error.ts'
import { BlockReader, type FetchBlocks, planBatch, READ_AHEAD_BLOCKS } from './block-reader.ts'
import { BLOCK_SIZE_BYTES_MAX } from './car.ts'
import { decodeNode, malformed } from './decode-node.ts'
import { checkEntryName, quoteName } from './entry-name.ts'
import { type ReadBudget, ReadMeter } from './read-budget.ts'
import { type FileRange, readFile } from './read-file.ts'
import type { NodeLink, UnixfsNode } from './unixfs-node.ts'

/** `path` is relative to the root, whose own path is empty; each name in it passed `checkEntryName`. */
export type ContentEntry = { readonly path: readonly string[] } & (
  | {
      readonly kind: 'file'
      readonly sizeBytes: bigint
      readonly content: (range?: FileRange) => AsyncIterable<Uint8Array>
    }
  | { readonly kind: 'directory' }
  | { readonly kind: 'symlink'; readonly target: string }
)

export interface ReadOptions {
  readonly root: CID
  readonly fetchBlocks: FetchBlocks
  /** Of the walk and of all content read through it; what is left out has the default of `READ_BUDGET_DEFAULT`. */
  readonly budget?: Partial<ReadBudget>
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads the DAG under `root`.
 *
 * A file's `content` fetches when it is iterated, may be iterated at any time and more than once, and spends the same
 * budget. It yields exactly `sizeBytes` bytes, or those of the range, or throws. A symbolic link's target is whatever
 * its maker wrote.
 *
 * @throws {CoreError} `BUDGET_EXCEEDED`, `WRONG_BLOCK`, `BLOCK_MISSING`, `UNSUPPORTED_CID`, `MALFORMED_CONTENT`,
 * `UNSAFE_NAME`; an abort throws the signal's reason
 */
export async function* readContent(options: ReadOptions): AsyncGenerator<ContentEntry> {
  const { root, fetchBlocks, budget = {}, signal } = options
  signal?.throwIfAborted()
  const reader = new BlockReader(new ReadMeter(budget), fetchBlocks, signal)
  const rootNode = decodeNode(root, await reader.fetchOne(root))
  yield toEntry([], rootNode, reader)
  const walk = new DirectoryWalk(reader)
  walk.enter(root, rootNode, [])
  for (let child = await walk.next(); child !== undefined; child = await walk.next()) {
    yield toEntry(child.path, child.node, reader)
    walk.enter(child.cid, child.node, child.path)
  }
}

function toEntry(path: readonly string[], node: UnixfsNode, reader: BlockReader): ContentEntry {
  switch (node.kind) {
    case 'file':
      return { path, kind: 'file', sizeBytes: node.sizeBytes, content: range => readFile(node, reader, range) }
    case 'symlink':
      return { path, kind: 'symlink', target: node.target }
    default:
      return { path, kind: 'directory' }
  }
}

interface Child {
  readonly path: readonly string[]
  readonly cid: CID
  readonly node: UnixfsNode
}

/** A directory or one shard of it, as far as it was walked. */
interface Frame {
  readonly path: readonly string[]
  /** Names of the whole directory so far, shared by its shards. */
  readonly names: Set<string>
  readonly shard: { readonly fanout: number; readonly prefixLength: number } | undefined
  readonly links: readonly NodeLink[]
  /** Index of the next link. */
  next: number
  /** Blocks of the links from `next` on that were fetched ahead. */
  readonly ahead: Uint8Array[]
}

class DirectoryWalk {
  readonly #reader: BlockReader
  readonly #frames: Frame[] = []
  /** Bytes fetched ahead in all frames: a deep tree must not hold a batch at every level. */
  #heldBytes = 0

  constructor(reader: BlockReader) {
    this.#reader = reader
  }

  /** Goes into `node` if it is a directory; its entries come next. */
  enter(cid: CID, node: UnixfsNode, path: readonly string[]): void {
    if (node.kind === 'directory' || node.kind === 'shard') this.#push(cid, node, path, new Set())
  }

  /** The next entry, or `undefined` after the last. */
  async next(): Promise<Child | undefined> {
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      const link = frame.links[frame.next]
      if (link === undefined) {
        this.#frames.pop()
        continue
      }
      const node = decodeNode(link.cid, await this.#take(frame))
      if (isEntry(frame, link)) return { path: [...frame.path, entryName(frame, link)], cid: link.cid, node }
      this.#enterSubShard(frame, link.cid, node)
    }
    return undefined
  }

  #enterSubShard(frame: Frame, cid: CID, node: UnixfsNode): void {
    if (node.kind !== 'shard' || node.fanout !== frame.shard?.fanout) {
      throw malformed(cid, 'not a shard of the directory that links to it')
    }
    this.#push(cid, node, frame.path, frame.names)
  }

  #push(
    cid: CID,
    node: UnixfsNode & { kind: 'directory' | 'shard' },
    path: readonly string[],
    names: Set<string>
  ): void {
    this.#reader.meter.admitDepth(this.#frames.length + 1)
    this.#reader.meter.spend('entries', node.links.length)
    const shard = node.kind === 'shard' ? node : undefined
    const frame: Frame = { path, names, shard, links: node.links, next: 0, ahead: [] }
    for (const link of node.links) {
      if (isEntry(frame, link)) admitName(cid, frame, entryName(frame, link))
    }
    this.#frames.push(frame)
  }

  async #take(frame: Frame): Promise<Uint8Array> {
    if (frame.ahead.length === 0) await this.#fetchAhead(frame)
    const bytes = frame.ahead.shift()!
    frame.next += 1
    this.#heldBytes -= bytes.length
    return bytes
  }

  async #fetchAhead(frame: Frame): Promise<void> {
    const candidates = frame.links.slice(frame.next, frame.next + READ_AHEAD_BLOCKS)
    const sizes = candidates.map(({ sizeHint }) => sizeHint ?? BLOCK_SIZE_BYTES_MAX)
    const batch = candidates.slice(0, planBatch(sizes, this.#heldBytes))
    for await (const bytes of this.#reader.fetch(batch.map(({ cid }) => cid))) {
      frame.ahead.push(bytes)
      this.#heldBytes += bytes.length
    }
  }
}

/** In a shard, a link that is named by its slot alone leads to a further shard of the same directory. */
function isEntry({ shard }: Frame, { name }: NodeLink): boolean {
  return shard === undefined || name.length > shard.prefixLength
}

function entryName({ shard }: Frame, { name }: NodeLink): string {
  return shard === undefined ? name : name.slice(shard.prefixLength)
}

function admitName(cid: CID, { path, names }: Frame, name: string): void {
  const verdict = checkEntryName(name)
  if (!verdict.ok) {
    throw new CoreError('UNSAFE_NAME', `${quoteName(name)} is not safe as a file name (${verdict.reason})`, {
      path: [...path, name],
      reason: verdict.reason
    })
  }
  if (names.has(name)) throw malformed(cid, `two entries are named ${quoteName(name)}`)
  names.add(name)
}
