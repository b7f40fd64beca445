/** What the files of a store's directories come to, read from the disk and not from the store's own books. */
import { join } from 'node:path'
import { systemCodeOf } from '../error.ts'
import type { FileSystem } from './file-system.ts'
import type { PieceDirectory } from './piece-directory.ts'
import { parseFileName } from './piece-files.ts'
import type { FileUsage } from './piece-store.ts'

type Kind = keyof FileUsage

export async function measureFiles(files: FileSystem, directories: readonly PieceDirectory[]): Promise<FileUsage> {
  const usage: Record<Kind, number> = {
    pieceBytes: 0,
    layerBytes: 0,
    incomingBytes: 0,
    damagedBytes: 0,
    otherBytes: 0
  }
  async function add(directory: string, kindOf: (name: string) => Kind | undefined): Promise<void> {
    for (const name of await files.readdir(directory)) {
      const kind = kindOf(name)
      if (kind !== undefined) usage[kind] += await sizeOf(files, join(directory, name))
    }
  }
  for (const { path, paths } of directories) {
    await add(path, name =>
      join(path, name) === paths.incoming || join(path, name) === paths.damaged ? undefined : kindOfFile(name)
    )
    await add(paths.incoming, () => 'incomingBytes')
    await add(paths.damaged, () => 'damagedBytes')
  }
  return usage
}

function kindOfFile(name: string): Kind {
  const parsed = parseFileName(name)
  if (parsed === undefined) return 'otherBytes'
  return parsed.kind === 'piece' ? 'pieceBytes' : 'layerBytes'
}

/** A file that went away meanwhile has no bytes. */
async function sizeOf(files: FileSystem, path: string): Promise<number> {
  try {
    const stats = await files.stat(path)
    return stats.isFile() ? stats.size : 0
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return 0
    throw error
  }
}
