import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/** Pieces of a store that this process has open: none a second after the last read, nor where the system does not say. */
export async function piecesLeftOpen(directory: string): Promise<string[]> {
  const handles = await readdir('/proc/self/fd').catch(() => [])
  const paths = await Promise.all(handles.map(handle => readlink(`/proc/self/fd/${handle}`).catch(() => '')))
  return paths.filter(path => path.startsWith(join(directory, 'bafk')))
}
