/** Uploads that broke off and may go on: found on the disk at a start, kept for a while, taken up or thrown away. */
import { join } from 'node:path'
import type { FileSystem } from './file-system.ts'
import { incomingPaths } from './incoming-file.ts'
import type { PieceDirectory } from './piece-directory.ts'
import { type BrokenUpload, parseUploadLog } from './upload-log.ts'

/** One of them, and where its bytes stand. */
export interface SuspendedUpload extends BrokenUpload {
  readonly name: string
  readonly directory: PieceDirectory
}

/**
 * Reads what a directory's `incoming/` holds at a start. Everything that no upload can go on with is removed, and what
 * an upload wrote beyond its last sync is cut off.
 *
 * @param onRemoved - told the name of each file that went
 */
export async function findBrokenUploads(
  files: FileSystem,
  directory: PieceDirectory,
  nowMs: number,
  onRemoved: (name: string) => void
): Promise<SuspendedUpload[]> {
  const { incoming } = directory.paths
  const names = await files.readdir(incoming)
  const found: SuspendedUpload[] = []
  const kept = new Set<string>()
  for (const fileName of names.filter(name => name.endsWith('.upload'))) {
    const name = fileName.slice(0, -'.upload'.length)
    const upload = await readLog(files, join(incoming, fileName))
    if (upload === undefined || upload.untilMs <= nowMs || upload.syncedBytes === 0) continue
    const { piece } = incomingPaths({ directory: incoming, name })
    if (!(await cutOff(files, piece, upload.syncedBytes))) continue
    found.push({ ...upload, name, directory })
    kept.add(fileName).add(`${name}.piece`)
  }
  for (const name of names.filter(name => !kept.has(name))) {
    await files.rm(join(incoming, name), { force: true, recursive: true })
    onRemoved(name)
  }
  return found
}

/** Removes the files of an upload that nobody went on with. */
export async function removeBrokenUpload(files: FileSystem, { directory, name }: SuspendedUpload): Promise<void> {
  const { piece, log } = incomingPaths({ directory: directory.paths.incoming, name })
  // The log first: a crash in between leaves a piece that no log explains, which the next start removes.
  await files.rm(log, { force: true })
  await files.rm(piece, { force: true })
}

async function readLog(files: FileSystem, path: string): Promise<BrokenUpload | undefined> {
  const handle = await files.open(path, 'r')
  try {
    return parseUploadLog(await handle.readFile('utf8'))
  } finally {
    await handle.close()
  }
}

/** @returns whether the file had so many bytes */
async function cutOff(files: FileSystem, path: string, sizeBytes: number): Promise<boolean> {
  try {
    const handle = await files.open(path, 'r+')
    try {
      const { size } = await handle.stat()
      if (size > sizeBytes) await handle.truncate(sizeBytes)
      return size >= sizeBytes
    } finally {
      await handle.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
