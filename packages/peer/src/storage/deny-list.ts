/**
 * Content that a donor will have nothing to do with: roots of objects and pieces, one CID a line in a file of the data
 * directory. What stands behind a `#` is a remark.
 *
 * Read again when the file has changed, so that a line counts without a restart. Any spelling of a CID counts for all.
 */
import { CID } from 'multiformats/cid'
import { systemCodeOf } from '../error.ts'
import { type FileSystem, machineFileSystem } from './file-system.ts'

export interface DenyList {
  /** @param cid - as text, in the spelling that `CID.toString` gives */
  has(cid: string): boolean
  /** Lines that are no CID, as they stand in the file. */
  readonly strangeLines: readonly string[]
  /** Looks whether the file has changed. Cheap when it has not. */
  refresh(): Promise<void>
}

/** A list over a file that need not be there. */
export async function openDenyList(path: string, files: FileSystem = machineFileSystem): Promise<DenyList> {
  const list = new FileDenyList(path, files)
  await list.refresh()
  return list
}

/** @returns the CIDs of a deny file, one spelling each, and the lines that are none */
export function parseDenyList(text: string): {
  readonly cids: ReadonlySet<string>
  readonly strangeLines: readonly string[]
} {
  const cids = new Set<string>()
  const strangeLines: string[] = []
  for (const line of text.split('\n')) {
    const entry = line.replace(/#.*$/, '').trim()
    if (entry === '') continue
    try {
      for (const spelling of spellingsOf(CID.parse(entry))) cids.add(spelling)
    } catch {
      strangeLines.push(line)
    }
  }
  return { cids, strangeLines }
}

/** A dag-pb root under SHA-256 has a name in either version. */
function spellingsOf(cid: CID): string[] {
  const spellings = [cid.toString(), cid.toV1().toString()]
  try {
    spellings.push(cid.toV0().toString())
  } catch {
    // There is none.
  }
  return spellings
}

class FileDenyList implements DenyList {
  strangeLines: readonly string[] = []
  readonly #path: string
  readonly #files: FileSystem
  #cids: ReadonlySet<string> = new Set()
  #stamp = ''

  constructor(path: string, files: FileSystem) {
    this.#path = path
    this.#files = files
  }

  has(cid: string): boolean {
    return this.#cids.has(cid)
  }

  async refresh(): Promise<void> {
    const { stamp, text } = await this.#readChanged()
    if (text === undefined) return
    const { cids, strangeLines } = parseDenyList(text)
    this.#cids = cids
    this.strangeLines = strangeLines
    this.#stamp = stamp
  }

  /** `text` is undefined for a file that is as it was. */
  async #readChanged(): Promise<{ stamp: string; text: string | undefined }> {
    try {
      const handle = await this.#files.open(this.#path, 'r')
      try {
        const { mtimeMs, size, ino } = await handle.stat()
        const stamp = `${mtimeMs}/${size}/${ino}`
        return { stamp, text: stamp === this.#stamp ? undefined : await handle.readFile('utf8') }
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw error
      return { stamp: '', text: this.#stamp === '' ? undefined : '' }
    }
  }
}
