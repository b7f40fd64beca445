/** Changes the deny file for its operator: one line a CID, remarks stay where they are. */
import { CID } from 'multiformats/cid'
import { PeerError, systemCodeOf } from '../error.ts'
import { parseDenyList } from './deny-list.ts'
import { type FileSystem, machineFileSystem, replaceFile } from './file-system.ts'

/** The lines of the file that name content, as they stand there. */
export async function readDenied(path: string, files: FileSystem = machineFileSystem): Promise<string[]> {
  const text = await readText(path, files)
  return linesOf(text)
    .map(line => line.replace(/#.*$/, '').trim())
    .filter(entry => entry !== '')
}

/** @throws {PeerError} `CID_INVALID` */
export async function addDenied(path: string, cid: string, files: FileSystem = machineFileSystem): Promise<void> {
  const wanted = parseCid(cid)
  const text = await readText(path, files)
  if (parseDenyList(text).cids.has(wanted.toString())) return
  const separator = text === '' || text.endsWith('\n') ? '' : '\n'
  await replaceFile(files, path, Buffer.from(`${text}${separator}${wanted}\n`))
}

/** Takes every line that names the content away. @throws {PeerError} `CID_INVALID` */
export async function removeDenied(path: string, cid: string, files: FileSystem = machineFileSystem): Promise<void> {
  const wanted = parseCid(cid).toString()
  const text = await readText(path, files)
  const kept = linesOf(text).filter(line => !parseDenyList(line).cids.has(wanted))
  const changed = kept.map(line => `${line}\n`).join('')
  if (changed !== text) await replaceFile(files, path, Buffer.from(changed))
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

function parseCid(text: string): CID {
  try {
    return CID.parse(text.trim())
  } catch (cause) {
    throw new PeerError('CID_INVALID', `"${text}" is no CID.`, { text }, { cause })
  }
}

async function readText(path: string, files: FileSystem): Promise<string> {
  try {
    const handle = await files.open(path, 'r')
    return await handle.readFile('utf8').finally(() => handle.close())
  } catch (cause) {
    if (systemCodeOf(cause) === 'ENOENT') return ''
    throw cause
  }
}
