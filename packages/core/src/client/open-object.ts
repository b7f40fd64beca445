/** Opens an object for reading: a public one by its root, a private one by its reference. */
import type { CID } from 'multiformats/cid'
import type { FetchBlocks, LeafParts, RecentBlocks } from '../content/index.ts'
import { CoreError } from '../error.ts'
import {
  type ObjectReference,
  openPrivateObject,
  type PieceCiphers,
  type PrivateObject,
  type SharedFrames
} from '../pieces/index.ts'
import { createBlockFetcher } from './fetch-blocks.ts'
import { createBoundBlockFetcher } from './fetch-bound-blocks.ts'
import type { HttpSource } from './fetch-over-http.ts'
import { createPieceLocator, type LocateComponents, type PieceAtProvider } from './locate-pieces.ts'
import type { OpenAnew, OpenedObjects, ProviderFailure } from './opened-objects.ts'

export interface OpenComponents extends LocateComponents {
  readonly ciphers: PieceCiphers
  /** Name of the network, for messages. */
  readonly networkName: string
  /** What was read in part before, and is not fetched again; nothing when left out. */
  readonly recentBlocks?: RecentBlocks | undefined
  /** What is known of leaves that were read and forgotten; nothing when left out. */
  readonly leafParts?: LeafParts | undefined
  /** The same of private objects. */
  readonly privateLeafParts?: LeafParts | undefined
  /** Private objects that were opened before; each is opened for one reader when left out. */
  readonly openedObjects?: OpenedObjects | undefined
  /** For single blocks of public objects; libp2p alone when left out. */
  readonly http?: HttpSource | undefined
  /** Whether they may come from gateways without encryption. */
  readonly allowsPlainHttp?: boolean | undefined
}

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined
  /** Told whenever a provider is left for the next one, and why. */
  readonly onFailure?: ((failure: ProviderFailure) => void) | undefined
}

export interface OpenedObject {
  readonly root: CID
  /** Blocks are not yet checked against their CIDs; `readContent` and `readBytes` do it. */
  readonly fetchBlocks: FetchBlocks
}

/** @throws {CoreError} `NOT_STORED` when nobody is paid to store it; `LEDGER_UNREACHABLE` */
export async function openObject(
  components: OpenComponents,
  name: CID | ObjectReference,
  options: OpenOptions = {}
): Promise<OpenedObject> {
  const { recentBlocks } = components
  const { root, fetchBlocks } =
    'secret' in name ? openPrivate(components, name, options) : await openPublic(components, name, options)
  return { root, fetchBlocks: Object.assign(fetchBlocks, { recentBlocks }) }
}

async function openPublic(
  { find, networkName, ...components }: OpenComponents,
  root: CID,
  { signal, onFailure }: OpenOptions
): Promise<OpenedObject> {
  const providers = await find(root.bytes, signal)
  if (providers.length === 0)
    throw new CoreError('NOT_STORED', `Nobody on network "${networkName}" is paid to store ${root}.`, {
      root: String(root)
    })
  const { node, networkId, measurements, patience, now, nodeHasher, leafParts, http, allowsPlainHttp } = components
  const fetching = {
    node,
    networkId,
    providers,
    ...(measurements !== undefined && { measurements }),
    ...(patience !== undefined && { patience }),
    ...(now !== undefined && { now }),
    ...(onFailure !== undefined && { onFailure })
  }
  const fetchBlocks =
    nodeHasher === undefined
      ? createBlockFetcher({ ...fetching, leafParts, http, allowsPlainHttp })
      : createBoundBlockFetcher({ ...fetching, nodeHasher })
  return { root, fetchBlocks }
}

function openPrivate(components: OpenComponents, reference: ObjectReference, { onFailure }: OpenOptions): OpenedObject {
  const { openedObjects, privateLeafParts: leafParts } = components
  const openAnew: OpenAnew = (tell, sharedFrames) => openPieces(components, reference, tell, sharedFrames)
  const fetchBlocks =
    openedObjects?.fetching(reference, openAnew, onFailure) ??
    openAnew(onFailure ?? (() => undefined), undefined).fetchBlocks
  return { root: reference.root, fetchBlocks: Object.assign(fetchBlocks, { leafParts }) }
}

function openPieces(
  components: OpenComponents,
  reference: ObjectReference,
  onFailure: (failure: ProviderFailure) => void,
  sharedFrames: SharedFrames | undefined
): PrivateObject {
  /** Who is behind each source that was asked. */
  const used = new Map<string, PieceAtProvider>()
  const locatePiece = createPieceLocator(components, reference, (found, source) => used.set(source, found))
  return openPrivateObject({
    reference,
    ciphers: components.ciphers,
    locatePiece,
    sharedFrames,
    onFailure({ source, reason }) {
      const provider = used.get(source)?.provider
      if (provider === undefined) return
      components.measurements?.record(provider, { kind: 'failure' })
      onFailure({ provider, reason })
    }
  })
}
