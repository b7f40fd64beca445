/**
 * `@holdfast/peer/client`: core's client bound to Node. Files, native hashing, TCP.
 *
 * ```ts
 * const client = await createClient({ network: 'network.json', key: 'client.key' })
 * const { root } = await client.put('photos', { replicas: 3 })
 * await client.get(root, 'photos-again')
 * await client.stop()
 * ```
 *
 * Stores publicly: every replica is the same CAR, and anyone who knows the root CID can read it.
 */
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import {
  type Address,
  createBlockFetcher,
  createFollower,
  createRemoteSource,
  createSigner,
  findReplicas,
  type Ledger,
  machineClock,
  type NetworkDescription,
  networkIdOf,
  parsePeerAddresses,
  portableSignatureVerifier,
  quoteStore,
  readContent,
  type StoredReplica,
  type StoreOptions,
  type StoreQuote,
  storeObject
} from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { PeerError } from './error.ts'
import { type WrittenTree, writeTree } from './files/index.ts'
import { createHashingThreads } from './hashing/hashing-threads.ts'
import { loadKey } from './key-file.ts'
import { readNetworkFile } from './network-file.ts'
import { createNode } from './node.ts'
import { chooseNodeHasher } from './node-hasher.ts'
import { type PackedObject, type PackOptions, packPath } from './packed-object.ts'

export type { PackedObject, PackOptions } from './packed-object.ts'

/** With 20 leaves an hour, a loss of 1 % is found within a day with 99 %. */
const LEAVES_PER_ROUND_DEFAULT = 20
const REPLICAS_DEFAULT = 3
/** A month of hourly rounds. */
const ROUNDS_DEFAULT = 30 * 24

/** Pieces are committed to beside the main thread, which reads, encrypts and sends. */
const HASHING_THREADS_MAX = Math.min(4, availableParallelism())

export interface ClientOptions {
  /** A network description, or the path of one. */
  readonly network: NetworkDescription | string
  /** Path of the key file of the account that pays. Without one the client only reads. */
  readonly key?: string
  /** Ends the first catching-up with the ledger, which waits for a host that does not answer. */
  readonly signal?: AbortSignal
  /** Told when the ledger host begins to give no answer; the client waits for it and goes on. */
  readonly onUnreachable?: (error: Error) => void
}

export type PutOptions = PackOptions & Partial<Omit<StoreOptions, 'object' | 'signal'>>

export interface GetOptions {
  readonly signal?: AbortSignal
  /** Told whenever a provider is left for the next one, and why. */
  readonly onFailure?: (failure: { readonly provider: Address; readonly reason: string }) => void
}

export interface Client extends AsyncDisposable {
  /** The account that pays; of a reader, an account made for this client alone. */
  readonly address: Address
  /** The ledger as this client follows it; the first call catches up with the host. */
  ledger(): Promise<Ledger>
  /** Packs a file or directory into pieces in a temporary directory; dispose of it when it is stored. */
  pack(path: string, options?: PackOptions): Promise<PackedObject>
  quote(object: PackedObject, options?: Partial<Omit<StoreOptions, 'object'>>): Promise<StoreQuote>
  /** Resolves when all replicas are on disk, countersigned and on the ledger. @throws {CoreError} `STORE_INCOMPLETE` */
  store(object: PackedObject, options?: Partial<Omit<StoreOptions, 'object'>>): Promise<StoredReplica[]>
  /** `pack` and `store` in one. */
  put(path: string, options?: PutOptions): Promise<{ readonly root: CID; readonly replicas: StoredReplica[] }>
  /** Reads an object back into a path that does not exist yet; every block is checked against its CID. */
  get(root: CID | string, path: string, options?: GetOptions): Promise<WrittenTree>
  /** Idempotent. */
  stop(): Promise<void>
}

/** @throws {PeerError} `NETWORK_MISSING`, `KEY_FILE_INVALID`, … each with what to do about it */
export async function createClient(options: ClientOptions): Promise<Client> {
  const network = typeof options.network === 'string' ? await readNetworkFile(options.network) : options.network
  const privateKey = options.key === undefined ? new Uint8Array(randomBytes(32)) : (await loadKey(options.key)).raw
  const signer = createSigner(privateKey)
  const nodeHasher = await chooseNodeHasher()
  await using starting = new AsyncDisposableStack()
  const node = starting.use(await createNode({ privateKey, listen: [] }))
  await node.start()
  const hashing = starting.use(createHashingThreads({ count: HASHING_THREADS_MAX }))
  const life = starting.move()
  const connection = {
    node: node.libp2p,
    networkId: networkIdOf(network.parameters),
    host: parsePeerAddresses(network.addresses.host)
  }
  const random = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes))
  let following: Promise<Ledger> | undefined
  let stopping: Promise<void> | undefined

  async function follow(): Promise<Ledger> {
    const follower = createFollower({
      parameters: network.parameters,
      source: createRemoteSource(connection),
      tools: { signatures: portableSignatureVerifier, nodeHasher },
      clock: machineClock,
      ...(options.onUnreachable !== undefined && { onUnreachable: options.onUnreachable })
    })
    life.use(follower)
    try {
      await follower.start(options.signal)
      return follower
    } catch (error) {
      following = undefined
      await follower.stop()
      throw error
    }
  }

  function ledger(): Promise<Ledger> {
    following ??= follow()
    return following
  }

  function stop(): Promise<void> {
    stopping ??= life.disposeAsync()
    return stopping
  }

  function complete(object: PackedObject, wishes: Partial<Omit<StoreOptions, 'object'>>): StoreOptions {
    return {
      replicas: REPLICAS_DEFAULT,
      leavesPerRound: LEAVES_PER_ROUND_DEFAULT,
      rounds: ROUNDS_DEFAULT,
      ...wishes,
      object
    }
  }

  const client: Client = {
    address: signer.address,
    ledger,
    pack: (path, wishes = {}) => packPath(path, { nodeHasher, createHasher: hashing.createHasher }, wishes),
    quote: async (object, wishes = {}) => quoteStore({ ledger: await ledger(), signer }, complete(object, wishes)),
    async store(object, wishes = {}) {
      if (options.key === undefined)
        throw new PeerError(
          'NO_KEY',
          'This client has no key, so nobody would pay: create it with `key`, the path of a key file.'
        )
      return storeObject({ node: node.libp2p, ledger: await ledger(), signer, random }, complete(object, wishes))
    },
    async put(path, wishes = {}) {
      await using object = await client.pack(path, wishes)
      return { root: object.root, replicas: await client.store(object, wishes) }
    },
    async get(root, path, { signal, onFailure } = {}) {
      const cid = typeof root === 'string' ? parseCid(root) : root
      const replicas = await findReplicas(connection, cid, signal)
      if (replicas.length === 0)
        throw new PeerError('NOT_STORED', `Nobody on network "${network.parameters.name}" is paid to store ${cid}.`, {
          root: String(cid)
        })
      const fetchBlocks = createBlockFetcher({
        ...connection,
        providers: replicas,
        ...(onFailure !== undefined && { onFailure })
      })
      return writeTree(path, readContent({ root: cid, fetchBlocks, signal }), { signal })
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
  return client
}

function parseCid(text: string): CID {
  try {
    return CID.parse(text)
  } catch (cause) {
    throw new PeerError('CID_INVALID', `"${text}" is no CID.`, { text }, { cause })
  }
}
