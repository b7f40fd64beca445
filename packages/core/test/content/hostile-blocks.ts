import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'

/** Blocks that a hostile maker puts together by hand. */
export class Blocks extends Map<string, Uint8Array> {
  async add(bytes: Uint8Array, code: number = dagPb.code): Promise<CID> {
    const cid = CID.createV1(code, await sha256.digest(bytes))
    this.set(cid.toString(), bytes)
    return cid
  }

  node(data: Uint8Array, links: Array<{ Name?: string; Hash: CID; Tsize?: number }> = []): Promise<CID> {
    return this.add(dagPb.encode({ Data: data, Links: links }))
  }

  directory(links: Record<string, CID>): Promise<CID> {
    const sorted = Object.entries(links).map(([Name, Hash]) => ({ Name, Hash, Tsize: 1 }))
    return this.add(dagPb.encode(dagPb.prepare({ Data: new UnixFS({ type: 'directory' }).marshal(), Links: sorted })))
  }

  async fileOf(parts: Array<{ cid: CID; claim: bigint }>): Promise<CID> {
    const blockSizes = parts.map(({ claim }) => claim)
    return this.node(
      new UnixFS({ type: 'file', blockSizes }).marshal(),
      parts.map(({ cid }) => ({ Name: '', Hash: cid, Tsize: 1 }))
    )
  }
}
