/**
 * Files that are read again soon stay open: opening and closing one takes longer than reading a leaf's part from it.
 *
 * A file that was opened is read whatever becomes of its name, so whoever removes or replaces one says so. What others do to a
 * directory counts a second after the last use; what they write into a file, at once.
 */
import type { FileSystem } from './file-system.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

/** Of those that nobody reads just now. */
const KEPT_MAX = 16
/** One that was not used for a whole turn is closed at its end. */
const TURN_MS = 500

export interface KeptFile extends Disposable {
  readonly handle: FileHandle
}

interface Entry {
  readonly handle: Promise<FileHandle>
  users: number
  isRecent: boolean
}

export class KeptFiles {
  readonly #files: Pick<FileSystem, 'open'>
  /** By path; those used last at the end. */
  readonly #entries = new Map<string, Entry>()
  #turn: NodeJS.Timeout | undefined

  constructor(files: Pick<FileSystem, 'open'>) {
    this.#files = files
  }

  /** Opens a file to be read; the handle is closed by nobody but this. @throws what opening throws */
  async open(path: string): Promise<KeptFile> {
    const entry = this.#entries.get(path) ?? { handle: this.#files.open(path, 'r'), users: 0, isRecent: true }
    this.#entries.set(path, entry)
    entry.users += 1
    let isOver = false
    try {
      return {
        handle: await entry.handle,
        [Symbol.dispose]: () => {
          if (!isOver) this.#giveBack(path, entry)
          isOver = true
        }
      }
    } catch (error) {
      if (this.#entries.get(path) === entry) this.#entries.delete(path)
      throw error
    }
  }

  /** The name is gone, or another file's: who reads it still does, who opens it now gets what stands there. */
  forget(path: string): void {
    const entry = this.#entries.get(path)
    if (entry === undefined) return
    this.#entries.delete(path)
    if (entry.users === 0) close(entry)
  }

  /** What is in use is closed after it. */
  forgetAll(): void {
    for (const path of [...this.#entries.keys()]) this.forget(path)
  }

  #giveBack(path: string, entry: Entry): void {
    entry.users -= 1
    if (this.#entries.get(path) !== entry) {
      if (entry.users === 0) close(entry)
      return
    }
    entry.isRecent = true
    this.#entries.delete(path)
    this.#entries.set(path, entry)
    const unused = [...this.#entries].filter(([, { users }]) => users === 0)
    for (const [oldest] of unused.slice(0, -KEPT_MAX)) this.forget(oldest)
    this.#turn ??= setTimeout(() => this.#endTurn(), TURN_MS).unref()
  }

  #endTurn(): void {
    this.#turn = undefined
    for (const [path, entry] of [...this.#entries]) {
      if (entry.users === 0 && !entry.isRecent) this.forget(path)
      entry.isRecent = false
    }
    if (this.#entries.size > 0) this.#turn = setTimeout(() => this.#endTurn(), TURN_MS).unref()
  }
}

/** Nothing was written, so nothing is lost where it fails. */
function close({ handle }: Entry): void {
  handle.then(file => file.close()).catch(() => undefined)
}
