/**
 * The blocks of all public pieces as one read-only blockstore, for Helia's bitswap and gateway.
 *
 * Every block is hashed before it is handed on, because a disk can rot and a CAR can call any bytes by any CID. A wrong
 * one is reported and the next piece that has the block is tried; when none is right, the block is not here.
 */
import { checkBlock } from '@holdfast/core'
import type { Blockstore, Pair } from 'interface-blockstore'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { decode as decodeMultihash } from 'multiformats/hashes/digest'
import { PeerError, systemCodeOf } from '../error.ts'
import type { BlockPosition, PieceStore } from './piece-store.ts'

/** Pieces that are tried for one block: whoever stores many CARs that lie about a block must not make each read of it long. */
export const PLACES_TRIED_MAX = 8

/** What a reader may pass along. */
interface ReadOptions {
  readonly signal?: AbortSignal
}

/**
 * A view of a store's blocks; it has no life of its own.
 *
 * Reading rejects with an error named `NotFoundError`, as interface-store asks, for a block that is not here or not
 * right. Writing and deleting reject with {@link PeerError} `READ_ONLY`: blocks come and go with their pieces.
 */
export function createPieceBlockstore(
  store: Pick<PieceStore, 'findBlock' | 'findBlocks' | 'listBlocks' | 'read' | 'reportWrongBlock'>
): Blockstore {
  async function find(cid: CID, { signal }: ReadOptions = {}): Promise<Uint8Array | undefined> {
    let tried = 0
    for await (const position of store.findBlocks(cid)) {
      signal?.throwIfAborted()
      const bytes = await readBlock(cid, position)
      if (bytes !== undefined) return bytes
      store.reportWrongBlock(cid, position)
      tried += 1
      if (tried === PLACES_TRIED_MAX) break
    }
    return undefined
  }

  async function readBlock(cid: CID, { pieceCid, offset, length }: BlockPosition): Promise<Uint8Array | undefined> {
    try {
      const bytes = await store.read(pieceCid, offset, length)
      return (await checkBlock(cid, bytes)).ok ? bytes : undefined
    } catch (error) {
      // The piece was removed since the index named it, or its file is gone: another one may have the block.
      if (systemCodeOf(error)?.startsWith('PIECE_') === true) return undefined
      throw error
    }
  }

  async function get(cid: CID, options?: ReadOptions): Promise<Uint8Array> {
    const bytes = await find(cid, options)
    if (bytes === undefined) throw notFound(cid)
    return bytes
  }

  return {
    async has(cid) {
      return (await store.findBlock(cid)) !== undefined
    },

    async *get(cid, options) {
      yield await get(cid, options)
    },

    async *getMany(source, options) {
      for await (const cid of source) yield pair(cid, await get(cid, options))
    },

    async *getAll(options) {
      let last: CID | undefined
      for await (const multihash of store.listBlocks()) {
        const cid = CID.createV1(raw.code, decodeMultihash(multihash))
        if (last?.equals(cid) === true) continue
        last = cid
        const bytes = await find(cid, options)
        if (bytes !== undefined) yield pair(cid, bytes)
      }
    },

    async put() {
      throw readOnly()
    },
    // biome-ignore lint/correctness/useYield: refuses before it has anything to yield
    async *putMany() {
      throw readOnly()
    },
    async delete() {
      throw readOnly()
    },
    // biome-ignore lint/correctness/useYield: refuses before it has anything to yield
    async *deleteMany() {
      throw readOnly()
    }
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function pair(cid: CID, bytes: Uint8Array): Pair {
  return { cid, bytes: once(bytes) }
}

function notFound(cid: CID): Error {
  const error = new Error(`${cid} is in no piece stored here.`)
  error.name = 'NotFoundError'
  return error
}

function readOnly(): PeerError {
  return new PeerError('READ_ONLY', 'Blocks come and go with their pieces: store or remove a piece instead.')
}
