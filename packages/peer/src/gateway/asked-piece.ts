/** Reads what a request for a piece asks for. Pure, as asked-block.ts. */
import { type BearerPermission, parseBearer, remembered } from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { type AskedRange, parseRange } from './asked-range.ts'

export interface AskedPiece {
  readonly ok: true
  readonly cid: CID
  /** Whether only the headers are wanted. */
  readonly isHead: boolean
  readonly range: AskedRange | undefined
  readonly permission: BearerPermission | undefined
}

export interface NoPieceAsked {
  readonly ok: false
  readonly status: 400 | 404 | 405
  readonly message: string
}

/** A PieceCIDv2 has some seventy characters. */
const CID_LENGTH_MAX = 128

/** Names and permissions whose meaning is remembered: who reads on asks for the same piece with the same one. */
const TEXTS_REMEMBERED_MAX = 256
const cidOf = remembered((text: string) => CID.parse(text), TEXTS_REMEMBERED_MAX)
const permissionOf = remembered((text: string): BearerPermission => {
  const permission = parseBearer(text)
  if (permission === undefined) throw new TypeError('no read permission')
  return permission
}, TEXTS_REMEMBERED_MAX)

/** @param target - path and query, as they stand in the request */
export function readAskedPiece(
  method: string,
  target: string,
  { range, authorization }: { readonly range?: string | undefined; readonly authorization?: string | undefined }
): AskedPiece | NoPieceAsked {
  if (method !== 'GET' && method !== 'HEAD') return no(405, 'Pieces are read by GET and HEAD.')
  const [, name] = /^\/piece\/([^/?]+)$/.exec(target) ?? []
  if (name === undefined) return no(404, 'There is nothing here but pieces: /piece/PIECECID.')
  const cid = name.length > CID_LENGTH_MAX ? undefined : meaning(cidOf, name)
  if (cid === undefined) return no(400, 'What stands behind /piece/ is no CID.')
  const permission = authorization === undefined ? undefined : meaning(permissionOf, authorization)
  if (authorization !== undefined && permission === undefined)
    return no(400, 'What stands in Authorization is no read permission.')
  return {
    ok: true,
    cid,
    isHead: method === 'HEAD',
    range: method === 'GET' ? parseRange(range) : undefined,
    permission
  }
}

function no(status: NoPieceAsked['status'], message: string): NoPieceAsked {
  return { ok: false, status, message }
}

function meaning<Value>(meaningOf: (text: string) => Value, text: string): Value | undefined {
  try {
    return meaningOf(text)
  } catch {
    return undefined
  }
}
