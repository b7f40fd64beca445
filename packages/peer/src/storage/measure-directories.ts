/** How much a peer's pieces take on disk, for whoever asks while no daemon runs: reads sizes and opens nothing. */
import { join } from 'node:path'
import { loadConfig } from '../config.ts'
import { dataDirectoryPaths } from '../data-directory.ts'
import { systemCodeOf } from '../error.ts'
import { type FileSystem, machineFileSystem } from './file-system.ts'

/** @returns bytes in all piece directories of a data directory; 0 where there are none, or the config is broken */
export async function measureDirectories(directory: string, files: FileSystem = machineFileSystem): Promise<number> {
  const { piecesDirectory, configFile } = dataDirectoryPaths(directory)
  const more = await loadConfig(configFile, files).then(
    ({ provider }) => (provider.directories ?? []).map(({ path }) => path),
    () => []
  )
  let sum = 0
  for (const path of [piecesDirectory, ...more]) sum += await measure(path, files)
  return sum
}

async function measure(directory: string, files: FileSystem): Promise<number> {
  let sum = 0
  try {
    for (const entry of await files.readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name)
      sum += entry.isDirectory() ? await measure(path, files) : (await files.stat(path)).size
    }
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
  }
  return sum
}
