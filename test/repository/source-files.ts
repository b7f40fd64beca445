/** The repository's own files: what was written here, not what was installed or built. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url))

/** Folders that are installed, built, or git's. */
const FOREIGN = new Set(['node_modules', 'dist', '.git', '.nx'])

/** Paths of all files below a folder of the repository, relative to the repository, `/`-separated. */
export function listFiles(folder = ''): string[] {
  return readdirSync(join(REPOSITORY, folder), { withFileTypes: true }).flatMap(entry => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) return FOREIGN.has(entry.name) ? [] : listFiles(path)
    return entry.isFile() ? [path] : []
  })
}

export function readText(path: string): string {
  return readFileSync(join(REPOSITORY, path), 'utf8')
}

/** The text with every character of comments and strings replaced by a space or an `x`: positions stay what they were. */
export function blankOut(source: string): string {
  const token = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g
  return source.replace(token, text => {
    const filler = text.startsWith('/') ? ' ' : 'x'
    return text.replace(/[^\n]/g, filler)
  })
}
