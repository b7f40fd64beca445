/** Reads objects by what they are called: as a tree on the disk, or as the bytes of one file. */
import {
  type ContentEntry,
  createOpenedObjects,
  createRecentBlocks,
  type FileRange,
  machineClock,
  type NamedObject,
  type OpenComponents,
  openObject,
  parseObjectName,
  readBytes,
  readContent
} from '@holdfast/core'
import type { NodeHasher } from '@holdfast/proofs'
import { PeerError } from '../error.ts'
import { type WrittenTree, writeTree } from '../files/index.ts'
import type { Client, GetEvent, GetOptions, ObjectName } from './client-types.ts'

/** @throws {CoreError} `REFERENCE_INVALID`, `CID_INVALID` */
export function resolveName(name: ObjectName): NamedObject {
  return typeof name === 'string' ? parseObjectName(name) : { name, path: [] }
}

/** @param nodeHasher - for those who want every block bound to its piece */
export function createGet(reading: OpenComponents, nodeHasher: NodeHasher): Client['get'] {
  const { leafParts, privateLeafParts, ...unbound } = reading
  const openedObjects = createOpenedObjects(machineClock.now)
  const remembering = { recentBlocks: createRecentBlocks(), leafParts, privateLeafParts, openedObjects }

  async function open({ name }: NamedObject, { bindToPiece, plainHttp, ...wishes }: GetOptions) {
    // Who wants to see a block in its piece is not content with one that was seen before.
    const components = {
      ...unbound,
      ...(bindToPiece === true ? { nodeHasher } : remembering),
      allowsPlainHttp: plainHttp
    }
    return await openObject(components, name, wishes)
  }

  async function writeTo(name: ObjectName, path: string, wishes: GetOptions): Promise<WrittenTree> {
    const named = resolveName(name)
    if (named.path.length > 0)
      throw new PeerError(
        'OPTION_INVALID',
        'A path inside an object names one file: read it with an offset, or leave the path out to write the whole object.'
      )
    const { root, fetchBlocks } = await open(named, wishes)
    const { signal, onProgress, budget } = wishes
    const content = readContent({ root, fetchBlocks, signal, ...(budget !== undefined && { budget }) })
    return await writeTree(path, onProgress === undefined ? content : tellOf(content, onProgress), { signal })
  }

  async function* readFrom(name: ObjectName, wishes: GetOptions & FileRange): AsyncGenerator<Uint8Array> {
    const named = resolveName(name)
    const { root, fetchBlocks } = await open(named, wishes)
    const { signal, offset, length, onProgress, budget } = wishes
    const { path } = named
    const reading = { root, fetchBlocks, path, offset, length, signal, ...(budget !== undefined && { budget }) }
    let readBytesSoFar = 0
    for await (const chunk of readBytes(reading)) {
      readBytesSoFar += chunk.length
      yield chunk
      onProgress?.({ kind: 'read', path, readBytes: readBytesSoFar })
    }
  }

  function get(name: ObjectName, path: string, wishes?: GetOptions): Promise<WrittenTree>
  function get(name: ObjectName, wishes?: GetOptions & FileRange): AsyncIterable<Uint8Array>
  function get(
    name: ObjectName,
    where: string | (GetOptions & FileRange) = {},
    wishes: GetOptions = {}
  ): Promise<WrittenTree> | AsyncIterable<Uint8Array> {
    return typeof where === 'string' ? writeTo(name, where, wishes) : readFrom(name, where)
  }
  return get
}

/** The same entries, each of whose files says how far it is read. */
async function* tellOf(
  entries: AsyncIterable<ContentEntry>,
  onProgress: (event: GetEvent) => void
): AsyncGenerator<ContentEntry> {
  let readBytes = 0
  for await (const entry of entries) {
    if (entry.kind !== 'file') {
      yield entry
      continue
    }
    const { path, content } = entry
    yield {
      ...entry,
      async *content(range) {
        for await (const chunk of content(range)) {
          yield chunk
          readBytes += chunk.length
          onProgress({ kind: 'read', path, readBytes })
        }
      }
    }
  }
}
