/** Reads what a request to the gateway asks for. Pure: takes method, target and headers, answers with a wish or with why not. */
import { cidFault } from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { type AskedRange, parseRange } from './asked-range.ts'

/** The media type of one block, and of nothing else. */
export const RAW_BLOCK_TYPE = 'application/vnd.ipld.raw'

export interface AskedBlock {
  readonly ok: true
  readonly cid: CID
  /** Whether only the headers are wanted. */
  readonly isHead: boolean
  readonly range: AskedRange | undefined
}

export interface NotAsked {
  readonly ok: false
  readonly status: 400 | 404 | 405 | 406
  readonly message: string
}

export interface AskingHeaders {
  readonly accept?: string | undefined
  readonly range?: string | undefined
}

/** Longer than any CID that content may consist of, with an identity digest in base 2. */
const CID_LENGTH_MAX = 2048

/** @param target - path and query, as they stand in the request */
export function readAsked(method: string, target: string, { accept, range }: AskingHeaders): AskedBlock | NotAsked {
  if (method !== 'GET' && method !== 'HEAD') return no(405, 'Blocks are read by GET and HEAD.')
  const [, name = '', rest = '', query = ''] = /^\/ipfs\/([^/?]*)\/?([^?]*)\??(.*)$/.exec(target) ?? []
  if (name === '') return no(404, 'There is nothing here but blocks: /ipfs/CID?format=raw.')
  if (rest !== '') return no(400, 'A path is for who walks: ask for each block on the way by its own CID.')
  if (query !== 'format=raw' && !wantsRaw(new URLSearchParams(query).get('format'), accept))
    return no(
      406,
      `This gateway gives blocks to be checked and nothing else: ask for ?format=raw or ${RAW_BLOCK_TYPE}.`
    )
  const cid = name.length > CID_LENGTH_MAX ? undefined : parseCid(name)
  if (cid === undefined) return no(400, 'What stands behind /ipfs/ is no CID.')
  const fault = cidFault(cid)
  if (fault !== undefined) return no(400, `Content does not consist of such blocks (${fault}).`)
  return { ok: true, cid, isHead: method === 'HEAD', range: method === 'GET' ? parseRange(range) : undefined }
}

function no(status: NotAsked['status'], message: string): NotAsked {
  return { ok: false, status, message }
}

/** The parameter counts more than the header. */
function wantsRaw(format: string | null, accept = ''): boolean {
  if (format !== null) return format === 'raw'
  return accept.split(',').some(one => one.split(';', 1)[0]?.trim().toLowerCase() === RAW_BLOCK_TYPE)
}

function parseCid(text: string): CID | undefined {
  try {
    return CID.parse(text)
  } catch {
    return undefined
  }
}
