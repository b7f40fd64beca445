/**
 * Finds one entry of an object by its path, and reads a file, or a range of one, without listing the rest.
 *
 * Of a sharded directory the shards are searched in the order of their links, because a foreign shard need not put an
 * entry where its name hashes to: many small blocks for a directory of a million names, never an entry beside the path.
 */
import type { CID } from 'multiformats/cid'
import { CoreError } from '../error.ts'
import { BlockReader, READ_AHEAD_BLOCKS } from './block-reader.ts'
import { decodeNode, malformed, recallNode } from './decode-node.ts'
import { quoteName } from './entry-name.ts'
import type { ReadOptions } from './read.ts'
import { ReadMeter } from './read-budget.ts'
import { type FileRange, readFile } from './read-file.ts'
import type { NodeLink, UnixfsNode } from './unixfs-node.ts'

export interface ReadBytesOptions extends ReadOptions, FileRange {
  /** Names from the root to the file; none when the object is one file. */
  readonly path?: readonly string[] | undefined
}

/**
 * Yields the bytes of one file of an object, or a range of them: every block checked, only those fetched that the path
 * and the range need.
 *
 * @throws {CoreError} `PATH_NOT_FOUND`, `NOT_A_FILE` for a directory or a symbolic link, and what `readContent` throws
 * @throws {RangeError} for an offset or length that is no number of bytes
 */
export async function* readBytes(options: ReadBytesOptions): AsyncGenerator<Uint8Array> {
  const { root, fetchBlocks, path = [], budget = {}, signal } = options
  signal?.throwIfAborted()
  const reader = new BlockReader(new ReadMeter(budget), fetchBlocks, signal)
  const { offset, length } = options
  const range = offset === undefined && length === undefined ? undefined : { offset, length }
  let node = await readNode(root, reader, { range, isFile: path.length === 0 })
  for (const [depth, name] of path.entries()) {
    reader.meter.admitDepth(depth + 1)
    const link = await findEntry(root, node, name, reader)
    if (link === undefined) throw notFound(path.slice(0, depth + 1))
    node = await readNode(link.cid, reader, { range, isFile: depth === path.length - 1 })
  }
  if (node.kind !== 'file') throw notAFile(path, node)
  yield* readFile(node, reader, options)
}

interface NodeUse {
  /** What is wanted of the file at the end of the path. */
  readonly range: FileRange | undefined
  /** Whether this node should be it. */
  readonly isFile: boolean
}

/** Of a large file that was read not long ago nothing is fetched: who jumps about in it asks for leaves alone. */
async function readNode(cid: CID, reader: BlockReader, { range, isFile }: NodeUse): Promise<UnixfsNode> {
  const known = recallNode(cid)
  if (known !== undefined) {
    reader.meter.spend('blocks', 1)
    return known
  }
  if (range === undefined) return decodeNode(cid, await reader.fetchOne(cid))
  const recalled = reader.recall(cid)
  if (recalled !== undefined) return decodeNode(cid, recalled.slice())
  const block = await reader.fetchOne(cid, isFile ? range : undefined)
  reader.remember(cid, block)
  return decodeNode(cid, block)
}

type Shard = UnixfsNode & { readonly kind: 'shard' }

async function findEntry(cid: CID, node: UnixfsNode, name: string, reader: BlockReader): Promise<NodeLink | undefined> {
  if (node.kind === 'directory') {
    reader.meter.spend('entries', node.links.length)
    return node.links.find(link => link.name === name)
  }
  if (node.kind !== 'shard') return undefined
  const { fanout, prefixLength } = node
  /** Links to shards that are still to be searched. */
  const pending: Array<{ readonly cid: CID; readonly depth: number }> = []
  const search = (shard: Shard, depth: number): NodeLink | undefined => {
    reader.meter.spend('entries', shard.links.length)
    reader.meter.admitDepth(depth)
    for (const link of shard.links)
      if (link.name.length === prefixLength) pending.push({ cid: link.cid, depth: depth + 1 })
    return shard.links.find(link => link.name.length > prefixLength && link.name.slice(prefixLength) === name)
  }
  let found = search(node, 1)
  while (found === undefined && pending.length > 0) {
    const batch = pending.splice(0, READ_AHEAD_BLOCKS)
    let next = 0
    for await (const bytes of reader.fetch(batch.map(link => link.cid))) {
      const link = batch[next++]!
      const below = decodeNode(link.cid, bytes)
      if (below.kind !== 'shard' || below.fanout !== fanout)
        throw malformed(cid, 'links to what is no shard of the same directory')
      found ??= search(below, link.depth)
    }
  }
  return found
}

function notFound(path: readonly string[]): CoreError<'PATH_NOT_FOUND'> {
  return new CoreError('PATH_NOT_FOUND', `there is no ${quoteName(path.join('/'))} in this object`, { path })
}

function notAFile(path: readonly string[], { kind }: UnixfsNode): CoreError<'NOT_A_FILE'> {
  const what = kind === 'symlink' ? 'a symbolic link' : 'a directory'
  const where = path.length === 0 ? 'this object' : quoteName(path.join('/'))
  return new CoreError('NOT_A_FILE', `${where} is ${what}, not a file`, { path, kind })
}
