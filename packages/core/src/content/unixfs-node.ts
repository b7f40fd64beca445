/**
 * Decodes foreign blocks of UnixFS into what they are, or says what is wrong with them.
 *
 * A protobuf reader of its own rather than ipfs-unixfs: that one drops the hash type, which a shard must be checked
 * for, and computes sizes instead of reporting what the block claims.
 */
import * as dagPb from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import { checkShard } from './hamt.ts'
import { decodeUnixfsMessage, type UnixfsMessage, UnixfsType } from './unixfs-message.ts'

export interface NodeLink {
  readonly name: string
  readonly cid: CID
  /** Bytes of the DAG below, as the parent claims: a hint for read-ahead, never a fact. */
  readonly sizeHint: number | undefined
}

export interface FilePart {
  readonly cid: CID
  /** Bytes of content below this link, as the node claims. */
  readonly sizeBytes: bigint
  /** Where they begin in the node's content. */
  readonly start: bigint
}

export type UnixfsNode =
  | {
      readonly kind: 'file'
      readonly data: Uint8Array
      readonly parts: readonly FilePart[]
      readonly sizeBytes: bigint
    }
  | { readonly kind: 'directory'; readonly links: readonly NodeLink[] }
  | {
      readonly kind: 'shard'
      readonly links: readonly NodeLink[]
      readonly fanout: number
      readonly prefixLength: number
    }
  | { readonly kind: 'symlink'; readonly target: string }

/** `fault` says in words what is wrong with the block. */
export type NodeVerdict =
  | { readonly ok: true; readonly node: UnixfsNode }
  | { readonly ok: false; readonly fault: string }

/** A raw block: a whole small file, or a leaf of a larger one. */
export function rawNode(bytes: Uint8Array): UnixfsNode & { readonly kind: 'file' } {
  return { kind: 'file', data: bytes, parts: [], sizeBytes: BigInt(bytes.length) }
}

/** Decodes a dag-pb block. Time and memory are linear in the block's size, whatever the block claims. */
export function decodeUnixfsNode(bytes: Uint8Array): NodeVerdict {
  let node: dagPb.PBNode
  let message: UnixfsMessage
  try {
    node = dagPb.decode(bytes)
    if (node.Data === undefined) return { ok: false, fault: 'a dag-pb node without UnixFS data' }
    message = decodeUnixfsMessage(node.Data, node.Links.length)
  } catch (cause) {
    return { ok: false, fault: cause instanceof Error ? cause.message : String(cause) }
  }
  switch (message.type) {
    case UnixfsType.Raw:
    case UnixfsType.File:
      return fileNode(node.Links, message)
    case UnixfsType.Directory:
      return { ok: true, node: { kind: 'directory', links: namedLinks(node.Links) } }
    case UnixfsType.HamtShard:
      return shardNode(node.Links, message)
    case UnixfsType.Symlink:
      return symlinkNode(node.Links, message)
    default:
      return { ok: false, fault: `UnixFS type ${message.type} is not content` }
  }
}

function fileNode(links: readonly dagPb.PBLink[], message: UnixfsMessage): NodeVerdict {
  const { data, blockSizes, fileSize } = message
  if (blockSizes.length !== links.length) {
    return { ok: false, fault: `${links.length} links but ${blockSizes.length} block sizes` }
  }
  let sizeBytes = BigInt(data.length)
  const parts = links.map(({ Hash: cid }, i) => {
    const part = { cid, sizeBytes: blockSizes[i]!, start: sizeBytes }
    sizeBytes += part.sizeBytes
    return part
  })
  if (fileSize !== undefined && fileSize !== sizeBytes) {
    return { ok: false, fault: `claims ${fileSize} bytes, its parts sum to ${sizeBytes}` }
  }
  return { ok: true, node: { kind: 'file', data, parts, sizeBytes } }
}

function shardNode(links: readonly dagPb.PBLink[], message: UnixfsMessage): NodeVerdict {
  const named = namedLinks(links)
  const shard = checkShard({ ...message, bitfield: message.data, names: named.map(link => link.name) })
  if (!shard.ok) return shard
  return { ok: true, node: { kind: 'shard', links: named, fanout: shard.fanout, prefixLength: shard.prefixLength } }
}

function symlinkNode(links: readonly dagPb.PBLink[], message: UnixfsMessage): NodeVerdict {
  if (links.length > 0) return { ok: false, fault: 'a symbolic link with links' }
  try {
    const target = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(message.data)
    return { ok: true, node: { kind: 'symlink', target } }
  } catch {
    return { ok: false, fault: 'the target of a symbolic link is not UTF-8' }
  }
}

function namedLinks(links: readonly dagPb.PBLink[]): NodeLink[] {
  return links.map(link => ({ name: link.Name ?? '', cid: link.Hash, sizeHint: link.Tsize }))
}
