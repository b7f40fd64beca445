/**
 * Builds UnixFS nodes one at a time through ipfs-unixfs-importer: one file, one symbolic link, or one directory of
 * children that are already built.
 *
 * The importer's own tree builder keeps every entry until the end and does not know the size of a directory's
 * subdirectories when it decides to shard, so it differs from Kubo for directories of many subdirectories. Built
 * bottom-up, one directory at a time, each decision sees all links and memory holds the open directories only.
 */
import { type ImportCandidate, type ImporterOptions, type ImportResult, importer } from 'ipfs-unixfs-importer'
import type { CID } from 'multiformats/cid'

/**
 * How bytes become blocks, by the names of IPIP-499. `unixfs-v1-2025`: CIDv1, raw leaves of 1 MiB, 1024 links a node.
 * `unixfs-v0-2015`: CIDv0, dag-pb leaves of 256 KiB, 174 links.
 */
export type UnixfsProfile = 'unixfs-v1-2025' | 'unixfs-v0-2015'

/** Takes a block that was just built; resolves when the next may come. */
export type BlockSink = (cid: CID, block: Uint8Array) => Promise<void>

/** What a parent's link needs to know: `size` is the cumulative size of the DAG below (dag-pb's Tsize). */
export interface BuiltNode {
  readonly cid: CID
  readonly size: bigint
}

export interface UnixfsBuilder {
  file(content: AsyncIterable<Uint8Array>): Promise<BuiltNode>
  symlink(target: string): Promise<BuiltNode>
  /** Shards as Kubo does: above 256 KiB, 256 ways. */
  directory(children: ReadonlyMap<string, BuiltNode>): Promise<BuiltNode>
}

/** Blocks reach `put` children first, one after the other, in an order that depends on the content alone. */
export function createUnixfsBuilder(profile: UnixfsProfile, put: BlockSink): UnixfsBuilder {
  const blockstore = {
    put: async (cid: CID, block: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>) => {
      await put(cid, block as Uint8Array)
      return cid
    }
  }
  // The importer writes its defaults into the options it is given, so each call gets its own.
  const run = async (candidates: ImportCandidate[], options: ImporterOptions = {}): Promise<BuiltNode> => {
    let last: ImportResult | undefined
    const settings = { profile, fileImportConcurrency: 1, blockWriteConcurrency: 1, ...options }
    for await (const result of importer(candidates, blockstore, settings)) last = result
    return { cid: last!.cid, size: BigInt(last!.size) }
  }

  return {
    file: content => run([{ content }]),
    symlink: target => run([{ path: 'link', link: target }]),
    directory: children =>
      run([], {
        wrapWithDirectory: true,
        dagBuilder: async function* () {
          for (const [path, { cid, size }] of children) yield async () => ({ path, cid, size })
        }
      })
  }
}
