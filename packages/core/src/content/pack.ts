/**
 * Packs a tree of files into a UnixFS DAG and the DAG into CARv1 pieces, in one streaming pass.
 *
 * Nothing is read twice and no file is held in memory: what stays are the links of the directories that are open and
 * the digests of the blocks written so far (about 100 bytes a block). The same tree gives the same bytes.
 */
import { PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { iterateAbortably } from './abortable.ts'
import { digestKey } from './digest-key.ts'
import { type HashingOptions, hashPieces } from './hash-pieces.ts'
import type { LeafParts } from './leaf-parts.ts'
import {
  type LaidOutPiece,
  type OpenPiece,
  type PackedPiece,
  PIECE_SIZE_LIMIT_BYTES_MIN,
  PiecePacker,
  type TrailerSizeOf
} from './piece-packer.ts'
import { type SourceEntry, SourceOrder, SYMLINK_TARGET_SIZE_BYTES_MAX, splitSourcePath } from './source-entry.ts'
import { type BuiltNode, createUnixfsBuilder, type UnixfsBuilder, type UnixfsProfile } from './unixfs-builder.ts'

export interface PackProgress {
  /** Bytes read from files so far. */
  readonly contentSizeBytes: number
  /** Bytes put into pieces so far. */
  readonly pieceSizeBytes: number
  /** Files read to their end. */
  readonly fileCount: number
}

export interface PackOptions extends HashingOptions {
  /** Depth first, sorted by the UTF-8 bytes of names; see `SourceOrder`. */
  readonly source: AsyncIterable<SourceEntry>
  /** Called with 0, 1, 2, … when the first byte of that piece is ready. */
  readonly openPiece: OpenPiece
  /** Default `unixfs-v1-2025`. */
  readonly profile?: UnixfsProfile
  /** Raw bytes of a piece at most; default and maximum 1,065,353,216, which expand to 1 GiB. */
  readonly pieceSizeBytesMax?: number
  /** Shown every leaf, for who reads ranges of it later. */
  readonly leafParts?: Pick<LeafParts, 'learn'> | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (progress: PackProgress) => void
}

export interface LaidOutContent {
  readonly root: CID
  /** In the order of `openPiece`. */
  readonly pieces: readonly LaidOutPiece[]
  /** Bytes of all files, as the source gave them. */
  readonly contentSizeBytes: number
  readonly fileCount: number
  /** Different blocks of the DAG. */
  readonly blockCount: number
}

export interface PackedContent extends LaidOutContent {
  readonly pieces: readonly PackedPiece[]
}

export interface LayOutOptions extends Omit<PackOptions, keyof HashingOptions> {
  /** Room that pieces keep for what their sinks add; default none. */
  readonly trailerSizeOf?: TrailerSizeOf
}

/**
 * Reads `source` once and writes its pieces.
 *
 * When it rejects, for whatever reason, every opened sink has been discarded and the source closed. An abort rejects at
 * once with the signal's reason, whether it waits for the source or for a sink.
 *
 * A source without entries is an empty directory.
 *
 * @throws {CoreError} `UNSAFE_NAME`
 * @throws {TypeError} when the source breaks its order
 * @throws {RangeError} for a piece size that cannot hold a block or is above the network's
 */
export async function packContent({ nodeHasher, createHasher, ...options }: PackOptions): Promise<PackedContent> {
  const hashed = hashPieces(options.openPiece, { nodeHasher, createHasher })
  const content = await layOutContent({ ...options, openPiece: hashed.openPiece })
  return { ...content, pieces: hashed.commit(content.pieces) }
}

/** `packContent` without commitments, for sinks that store other bytes than they are given. */
export async function layOutContent(options: LayOutOptions): Promise<LaidOutContent> {
  const { pieceSizeBytesMax = PIECE_SIZE_BYTES_MAX, openPiece, trailerSizeOf, signal } = options
  if (!(pieceSizeBytesMax >= PIECE_SIZE_LIMIT_BYTES_MIN && pieceSizeBytesMax <= PIECE_SIZE_BYTES_MAX)) {
    throw new RangeError(
      `pieceSizeBytesMax is ${PIECE_SIZE_LIMIT_BYTES_MIN} to ${PIECE_SIZE_BYTES_MAX}, got ${pieceSizeBytesMax}`
    )
  }
  signal?.throwIfAborted()
  const packer = new PiecePacker({ openPiece, pieceSizeBytesMax, trailerSizeOf, signal })
  try {
    return await new Packing(options, packer).run()
  } catch (cause) {
    await packer.discard()
    throw cause
  }
}

interface OpenDirectory {
  readonly names: readonly string[]
  readonly children: Map<string, BuiltNode>
}

class Packing {
  readonly #options: LayOutOptions
  readonly #packer: PiecePacker
  readonly #builder: UnixfsBuilder
  readonly #seen = new Set<string>()
  /** The directories between the root and the current entry; a later entry never returns to one that was left. */
  readonly #open: OpenDirectory[] = [{ names: [], children: new Map() }]
  #rootNode: BuiltNode | undefined
  #contentSizeBytes = 0
  #fileCount = 0

  constructor(options: LayOutOptions, packer: PiecePacker) {
    this.#options = options
    this.#packer = packer
    this.#builder = createUnixfsBuilder(options.profile ?? 'unixfs-v1-2025', (cid, block) => this.#put(cid, block))
  }

  async run(): Promise<LaidOutContent> {
    const order = new SourceOrder()
    for await (const entry of iterateAbortably(this.#options.source, this.#options.signal)) {
      const names = splitSourcePath(entry.path)
      order.accept(names, entry.kind)
      await this.#add(entry, names)
    }
    const root = this.#rootNode ?? (await this.#leaveAll())
    await this.#packer.finish()
    this.#report()
    return {
      root: root.cid,
      pieces: this.#packer.pieces,
      contentSizeBytes: this.#contentSizeBytes,
      fileCount: this.#fileCount,
      blockCount: this.#seen.size
    }
  }

  async #add(entry: SourceEntry, names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#enter(names.slice(0, -1))
    if (entry.kind === 'directory') return this.#enter(names)
    const node = entry.kind === 'file' ? await this.#file(entry.content) : await this.#symlink(entry)
    const name = names.at(-1)
    if (name === undefined) this.#rootNode = node
    else this.#open.at(-1)!.children.set(name, node)
  }

  async #file(content: AsyncIterable<Uint8Array>): Promise<BuiltNode> {
    const node = await this.#builder.file(this.#counted(content))
    this.#fileCount += 1
    this.#report()
    return node
  }

  async *#counted(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of iterateAbortably(content, this.#options.signal)) {
      this.#contentSizeBytes += chunk.length
      yield chunk
      this.#report()
    }
  }

  async #symlink({ path, target }: SourceEntry & { kind: 'symlink' }): Promise<BuiltNode> {
    const size = new TextEncoder().encode(target).length
    if (size === 0 || size > SYMLINK_TARGET_SIZE_BYTES_MAX) {
      throw new RangeError(`the target of ${path} takes 1 to ${SYMLINK_TARGET_SIZE_BYTES_MAX} bytes, got ${size}`)
    }
    return this.#builder.symlink(target)
  }

  /** Makes `names` the innermost open directory: builds those that are finished, opens those that are new. */
  async #enter(names: readonly string[]): Promise<void> {
    while (!isPrefix(this.#open.at(-1)!.names, names)) await this.#leave()
    for (let depth = this.#open.length; depth <= names.length; depth++) {
      this.#open.push({ names: names.slice(0, depth), children: new Map() })
    }
  }

  /** Builds the innermost open directory and links it into the one around it. */
  async #leave(): Promise<BuiltNode> {
    const { names, children } = this.#open.pop()!
    const node = await this.#builder.directory(children)
    this.#open.at(-1)?.children.set(names.at(-1)!, node)
    return node
  }

  async #leaveAll(): Promise<BuiltNode> {
    while (this.#open.length > 1) await this.#leave()
    return this.#leave()
  }

  async #put(cid: CID, block: Uint8Array): Promise<void> {
    this.#options.signal?.throwIfAborted()
    const key = digestKey(cid)
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    if (cid.code === raw.code) await this.#options.leafParts?.learn(cid, block)
    await this.#packer.put(cid, block)
  }

  #report(): void {
    this.#options.onProgress?.({
      contentSizeBytes: this.#contentSizeBytes,
      pieceSizeBytes: this.#packer.rawSize,
      fileCount: this.#fileCount
    })
  }
}

function isPrefix(prefix: readonly string[], names: readonly string[]): boolean {
  return prefix.length <= names.length && prefix.every((name, i) => name === names[i])
}
