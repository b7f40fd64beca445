/**
 * A verifier's observations on disk: one file that grows by a line each, and is written anew when most of it has been
 * forgotten.
 *
 * ```
 * holdfast observations 1
 * <CRC-32C of the JSON, 8 hex digits> <JSON of an observation>
 * ```
 *
 * A line that was torn or has a flipped bit is left out at the next start: samples are many, and no one of them matters. A
 * line is in the operating system's hands once `add` resolves, so that a killed process loses nothing; a power cut loses the
 * newest ones. A disk that fails costs samples and nothing else: `onError` hears of it.
 */
import { createObservationBook, type Observation, type ObservationBook, observationSchema } from '@holdfast/core'
import crc32c from 'crc-32/crc32c.js'
import { systemCodeOf } from '../error.ts'
import { type FileSystem, machineFileSystem, replaceFile } from '../storage/file-system.ts'

const HEADER = 'holdfast observations 1'

/** Lines beyond what is remembered before the file is written anew: a rewrite of megabytes must be rare. */
const FORGOTTEN_LINES_MAX = 16_384

/** More than a file can have that this program wrote; one that is longer is not read. */
const FILE_SIZE_BYTES_MAX = 128 * 1024 ** 2

export interface ObservationFileOptions {
  readonly path: string
  readonly files?: FileSystem
  readonly bounds?: Parameters<typeof createObservationBook>[0]
  readonly forgottenLinesMax?: number
  readonly onError?: (error: unknown) => void
}

export interface ObservationFile extends AsyncDisposable {
  /** Not to be added to by anybody else. */
  readonly book: Pick<ObservationBook, 'list' | 'providers' | 'size'>
  /** Resolves when the line is written, or when that failed. Calls that overlap are written together. */
  add(observation: Observation): Promise<void>
  /** Idempotent; resolves when nothing is being written any more. */
  stop(): Promise<void>
}

/** Reads what is there. A file that is not ours, or cannot be read, is told to `onError` and begun anew. */
export async function openObservationFile(options: ObservationFileOptions): Promise<ObservationFile> {
  const {
    path,
    files = machineFileSystem,
    bounds = {},
    forgottenLinesMax = FORGOTTEN_LINES_MAX,
    onError = () => undefined
  } = options
  const book = createObservationBook(bounds)
  const before = await readLines(path, files).catch(error => {
    onError(error)
    return []
  })
  for (const line of before) {
    const observation = parseLine(line)
    if (observation !== undefined) book.add(observation)
  }
  let lines = before.length
  /** Whether the file ends in a whole line that may be followed by another. */
  let isClean = false
  let waiting: string[] = []
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        if (!isClean || lines + batch.length > book.size + forgottenLinesMax) await rewrite()
        else await append(batch)
      } catch (error) {
        isClean = false
        onError(error)
      }
    }
  }

  async function append(batch: readonly string[]): Promise<void> {
    const handle = await files.open(path, 'a', 0o600)
    try {
      await handle.writeFile(batch.join(''))
    } finally {
      await handle.close()
    }
    lines += batch.length
  }

  /** All that is remembered, what waits included. */
  async function rewrite(): Promise<void> {
    const all = book.list()
    await replaceFile(files, path, Buffer.from(`${HEADER}\n${all.map(formatLine).join('')}`))
    lines = all.length
    isClean = true
  }

  async function stop(): Promise<void> {
    await writing
  }

  return {
    book,
    async add(observation) {
      book.add(observation)
      waiting.push(formatLine(observation))
      writing ??= write().finally(() => {
        writing = undefined
      })
      await writing
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
}

function formatLine(observation: Observation): string {
  const json = JSON.stringify(observation)
  return `${checksumOf(json)} ${json}\n`
}

/** @returns undefined for a line that is not as it was written */
function parseLine(line: string): Observation | undefined {
  const json = line.slice(9)
  if (line.slice(0, 8) !== checksumOf(json)) return undefined
  try {
    const parsed = observationSchema.safeParse(JSON.parse(json))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

function checksumOf(json: string): string {
  return (crc32c.str(json) >>> 0).toString(16).padStart(8, '0')
}

async function readLines(path: string, files: FileSystem): Promise<string[]> {
  try {
    const { size } = await files.stat(path)
    if (size > FILE_SIZE_BYTES_MAX) throw new RangeError(`${path} has ${size} bytes, more than this program writes`)
    const handle = await files.open(path, 'r')
    const text = await handle.readFile('utf8').finally(() => handle.close())
    const [header, ...lines] = text.split('\n')
    if (header !== HEADER) throw new RangeError(`${path} does not begin as observations of this version do`)
    return lines.filter(line => line !== '')
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return []
    throw error
  }
}
