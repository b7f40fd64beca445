import { CoreError } from '../error.ts'
import { checkEntryName, quoteName } from './entry-name.ts'

/**
 * One entry of the tree that is to be packed.
 *
 * `path` is relative to the object's root and '/'-separated; '' stands for the root itself, and so for the whole
 * object when that is one file. The bytes that `content` yields belong to the packer: never write to them again, but for
 * chunks of `REUSABLE_CHUNK_SIZE_BYTES`.
 */
export type SourceEntry = { readonly path: string } & (
  | { readonly kind: 'file'; readonly content: AsyncIterable<Uint8Array> }
  | { readonly kind: 'directory' }
  | { readonly kind: 'symlink'; readonly target: string }
)

/**
 * A file whose chunks, but for the last, all have this size, may fill a chunk again when the next but one is asked for.
 * It is a multiple of every profile's leaf, so that no leaf waits for bytes of a later chunk.
 */
export const REUSABLE_CHUNK_SIZE_BYTES = 1024 * 1024

/** Longest target of a symbolic link: PATH_MAX of Linux. */
export const SYMLINK_TARGET_SIZE_BYTES_MAX = 4096

const textEncoder = new TextEncoder()

/**
 * Compares two names by their UTF-8 bytes, the order in which dag-pb sorts links. UTF-16 order differs from it only
 * where surrogates are involved.
 */
export function compareEntryNames(a: string, b: string): number {
  const x = textEncoder.encode(a)
  const y = textEncoder.encode(b)
  const shared = Math.min(x.length, y.length)
  for (let i = 0; i < shared; i++) {
    const difference = x[i]! - y[i]!
    if (difference !== 0) return difference
  }
  return x.length - y.length
}

/**
 * Splits `path` into its names and refuses what nobody could restore.
 *
 * @throws {CoreError} `UNSAFE_NAME`
 */
export function splitSourcePath(path: string): string[] {
  if (path === '') return []
  const names = path.split('/')
  for (const name of names) {
    const verdict = checkEntryName(name)
    if (!verdict.ok) {
      throw new CoreError('UNSAFE_NAME', `cannot store ${quoteName(path)}: unsafe name (${verdict.reason})`, {
        path,
        name,
        reason: verdict.reason
      })
    }
  }
  return names
}

/**
 * Holds a source to its order: depth first, every directory before what it holds, names in UTF-8 order. One order
 * means one sequence of blocks, so the same tree always gives the same pieces; it also rules out two entries of one
 * path and an entry below a file.
 */
export class SourceOrder {
  #names: readonly string[] | undefined
  #isDirectory = true

  /** @throws {TypeError} when `names` may not follow the entry before it */
  accept(names: readonly string[], kind: SourceEntry['kind']): void {
    if (this.#names !== undefined && !mayFollow(names, this.#names, this.#isDirectory)) {
      throw new TypeError(
        `source entries come depth first, sorted by UTF-8 bytes, each once: ${quoteName(names.join('/'))} ` +
          `came after ${quoteName(this.#names.join('/'))}`
      )
    }
    this.#names = names
    this.#isDirectory = kind === 'directory'
  }
}

function mayFollow(names: readonly string[], before: readonly string[], beforeIsDirectory: boolean): boolean {
  const shared = Math.min(names.length, before.length)
  for (let i = 0; i < shared; i++) {
    const order = compareEntryNames(before[i]!, names[i]!)
    if (order !== 0) return order < 0
  }
  return names.length > before.length && beforeIsDirectory
}
