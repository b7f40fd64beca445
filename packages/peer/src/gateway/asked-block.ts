/** Reads what a request to the gateway asks for. Pure: takes method, target and headers, answers with a wish or with why not. */
import { cidFault } from '@holdfast/core'
import { CID } from 'multiformats/cid'

/** The media type of one block, and of nothing else. */
export const RAW_BLOCK_TYPE = 'application/vnd.ipld.raw'

export interface AskedBlock {
  readonly ok: true
  readonly cid: CID
  /** Whether only the headers are wanted. */
  readonly isHead: boolean
  /** Both ends count; open where it stands for "to the end", from behind where `from` is missing. */
  readonly range: { readonly from: number | undefined; readonly to: number | undefined } | undefined
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

/** @returns undefined for what is no single range of bytes: it is as if it had not been said */
function parseRange(text = ''): AskedBlock['range'] {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text) ?? []
  if (from === '' && to === '') return undefined
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
  return { from: from === '' ? undefined : Number(from), to: to === '' ? undefined : Number(to) }
}

/** @returns where the range begins and ends in so many bytes, `to` exclusive; undefined where it has none of them */
export function withinBlock(
  { from, to }: NonNullable<AskedBlock['range']>,
  sizeBytes: number
): { readonly from: number; readonly to: number } | undefined {
  const first = from ?? Math.max(0, sizeBytes - (to ?? 0))
  const end = from === undefined || to === undefined ? sizeBytes : Math.min(to + 1, sizeBytes)
  return first < end ? { from: first, to: end } : undefined
}
