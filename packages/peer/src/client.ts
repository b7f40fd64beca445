/**
 * `@holdfast/peer/client`: core's client bound to Node. Files, native hashing and ciphers, TCP.
 *
 * ```ts
 * const client = await createClient({ network: 'network.json', key: 'client.key' })
 * const { reference } = await client.put('photos', { replicas: 3 })
 * await client.get(reference, 'photos-again')
 * await client.stop()
 * ```
 *
 * What is put is private unless `encrypt: false` is said: providers hold different bytes each and can read none of them.
 * Whoever has the reference can read the object, and without a reference nobody can, its owner included.
 */
import { randomBytes } from 'node:crypto'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  askRepairNotices,
  CoreError,
  changeStoredObjectList,
  connectionTo,
  createSigner,
  createStatementDigest,
  type FileRange,
  findObjectDeals,
  findReplicas,
  formatObjectName,
  type Ledger,
  type ListComponents,
  type ListedObject,
  machineClock,
  type NamedObject,
  networkIdOf,
  type OpenComponents,
  openObject,
  parseObjectName,
  planTopUp,
  quoteStore,
  readBytes,
  readContent,
  readStoredObjectList,
  removeObject,
  replicasOf,
  roundAtMs,
  type StoredReplica,
  type StoreOptions,
  statusOfObject,
  storeObject,
  topUpObject,
  verifiedObject
} from '@holdfast/core'
import { nodePieceCiphers } from './ciphers.ts'
import { openClientState } from './client/client-state.ts'
import type {
  Client,
  ClientOptions,
  GetOptions,
  ObjectName,
  PackOptions,
  PutOptions,
  StoreWishes
} from './client/client-types.ts'
import { followLazily } from './client/followed-ledger.ts'
import { isSameSecret, listEntry, toListed, withEntry } from './client/listed-objects.ts'
import { PeerError } from './error.ts'
import { type WrittenTree, writeTree } from './files/index.ts'
import { createHashingThreads } from './hashing/hashing-threads.ts'
import { loadKey } from './key-file.ts'
import { wasmSignatureVerifier } from './ledger/wasm-signatures.ts'
import { readNetworkFile } from './network-file.ts'
import { createNode } from './node.ts'
import { chooseNodeHasher } from './node-hasher.ts'
import { type DiskSource, type StagedObject, stageObject } from './staging/stage-object.ts'

export type * from './client/client-types.ts'
export type { DiskSource, StagedObject } from './staging/stage-object.ts'

/** With 20 leaves an hour, a loss of 1 % is found within a day with 99 %. */
/** That a status waits for providers to say what they lost: most say nothing, at once. */
const NOTICES_MS_MAX = 3_000

const LEAVES_PER_ROUND_DEFAULT = 20
const REPLICAS_DEFAULT = 3
/** A month of hourly rounds. */
const ROUNDS_DEFAULT = 30 * 24

/** Pieces are committed to beside the main thread, which reads, encrypts and sends. */
const HASHING_THREADS_MAX = Math.min(4, availableParallelism())

/** @throws {PeerError} `NETWORK_MISSING`, `KEY_FILE_INVALID`, … each with what to do about it */
export async function createClient(options: ClientOptions): Promise<Client> {
  const network = typeof options.network === 'string' ? await readNetworkFile(options.network) : options.network
  const privateKey = options.key === undefined ? new Uint8Array(randomBytes(32)) : (await loadKey(options.key)).raw
  const stateDirectory = options.stateDirectory ?? (options.key === undefined ? undefined : `${options.key}.state`)
  const state = await openClientState(stateDirectory === undefined ? undefined : join(stateDirectory, 'state.json'))
  const signer = createSigner(privateKey)
  const { transports } = options
  const nodeHasher = await chooseNodeHasher()
  await using starting = new AsyncDisposableStack()
  const node = starting.use(await createNode({ privateKey, listen: [], transports, network: () => network }))
  await node.start()
  const hashing = starting.use(createHashingThreads({ count: HASHING_THREADS_MAX }))
  starting.defer(() => state.save())
  const life = starting.move()
  const { parameters } = network
  const networkId = networkIdOf(parameters)
  const connection = connectionTo(network, node.libp2p)
  const random = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes))
  const { signal, onUnreachable, patience } = options
  const tools = { signatures: wasmSignatureVerifier, nodeHasher }
  const follow = followLazily(life, { parameters, connection, tools, signal, onUnreachable })
  const packing = { nodeHasher, createHasher: hashing.createHasher, ciphers: nodePieceCiphers, random }
  let isFollowing = false
  let stopping: Promise<void> | undefined

  async function ledger(): Promise<Ledger> {
    const followed = await follow()
    isFollowing = true
    return followed.ledger
  }

  /** @throws {PeerError} `NO_KEY` for a client that only reads */
  async function paying(): Promise<ListComponents> {
    if (options.key === undefined)
      throw new PeerError(
        'NO_KEY',
        'This client has no key, so nobody would pay: create it with `key`, the path of a key file.'
      )
    return {
      node: node.libp2p,
      ledger: await ledger(),
      signer,
      random,
      measurements: state.measurements,
      accountKey: privateKey,
      ciphers: nodePieceCiphers,
      nodeHasher,
      ...(patience !== undefined && { patience })
    }
  }

  const reading: OpenComponents = {
    node: node.libp2p,
    networkId,
    measurements: state.measurements,
    patience,
    find: async (label, abort) =>
      isFollowing ? replicasOf((await follow()).ledger.state, label) : findReplicas(connection, label, abort),
    digestOf: createStatementDigest(networkId),
    reader: signer.address,
    // By the clock, because a reader follows no ledger: half of what is allowed bears a clock that is wrong by as much.
    validUntilRound: () => roundAtMs(parameters, machineClock.now()) + Math.floor(parameters.statementRoundsMax / 2),
    ciphers: nodePieceCiphers,
    networkName: parameters.name
  }

  function complete(object: StoreOptions['object'], wishes: StoreWishes): StoreOptions {
    return {
      replicas: REPLICAS_DEFAULT,
      leavesPerRound: LEAVES_PER_ROUND_DEFAULT,
      rounds: ROUNDS_DEFAULT,
      ...wishes,
      object
    }
  }

  async function open({ name }: NamedObject, { bindToPiece, ...wishes }: GetOptions) {
    const components = bindToPiece === true ? { ...reading, nodeHasher } : reading
    return await openObject(components, name, wishes)
  }

  async function writeTo(name: ObjectName, path: string, wishes: GetOptions): Promise<WrittenTree> {
    const named = resolve(name)
    if (named.path.length > 0)
      throw new PeerError(
        'OPTION_INVALID',
        'A path inside an object names one file: read it with an offset, or leave the path out to write the whole object.'
      )
    const { root, fetchBlocks } = await open(named, wishes)
    return await writeTree(path, readContent({ root, fetchBlocks, signal: wishes.signal }), { signal: wishes.signal })
  }

  async function* readFrom(name: ObjectName, wishes: GetOptions & FileRange): AsyncGenerator<Uint8Array> {
    const named = resolve(name)
    const { root, fetchBlocks } = await open(named, wishes)
    const { signal: abort, offset, length } = wishes
    yield* readBytes({ root, fetchBlocks, path: named.path, offset, length, signal: abort })
  }

  async function changeList(
    change: (objects: readonly ListedObject[]) => readonly ListedObject[],
    wishes: StoreWishes
  ): Promise<void> {
    const { replicas, leavesPerRound, rounds, signal: abort } = complete(NO_OBJECT, wishes)
    const listing = { replicas, leavesPerRound, rounds, signal: abort, seenSequence: state.listSequence }
    state.listSequence = await changeStoredObjectList(await paying(), change, listing)
    await state.save()
  }

  /**
   * Content that the account stores already is packed again under the secret that it has: then the same put finds what
   * stands, and pays nothing twice.
   */
  async function packAsListed(
    source: DiskSource,
    { root, reference }: StagedObject,
    wishes: PackOptions
  ): Promise<StagedObject | undefined> {
    if (reference === undefined || !canBeReadAgain(source)) return undefined
    const { list } = await readStoredObjectList(await paying(), wishes.signal).catch(() => ({ list: NO_LIST }))
    wishes.signal?.throwIfAborted()
    const known = list.objects.find(
      one => one.root.equals(root) && one.private?.layout === reference.layout && !isSameSecret(one, reference)
    )
    if (known === undefined) return undefined
    const again = await client.pack(source, { ...wishes, secret: known.private!.secret })
    if (again.root.equals(root)) return again
    await again[Symbol.asyncDispose]()
    return undefined
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

  function stop(): Promise<void> {
    stopping ??= life.disposeAsync()
    return stopping
  }

  const client: Client = {
    address: signer.address,
    ledger,
    pack: (source, wishes = {}) =>
      stageObject(source, packing, { stagingDirectory: stagingIn(stateDirectory), ...wishes }),
    quote: async (object, wishes = {}) =>
      quoteStore({ ledger: await ledger(), signer, measurements: state.measurements }, complete(object, wishes)),
    store: async (object, wishes = {}) => storeObject(await paying(), complete(object, wishes)),
    async put(source, { name = nameOf(source), list = true, onPacked, ...wishes } = {}) {
      await paying()
      const replicaCount = wishes.replicas ?? REPLICAS_DEFAULT
      await using packed = await client.pack(source, { replicaCount, ...wishes })
      await using again = list ? await packAsListed(source, packed, { replicaCount, ...wishes }) : undefined
      const object = again ?? packed
      const replicas = await storeOrLeave(client, object, { ...wishes, onPacked })
      const reference = formatObjectName(object.reference ?? object.root)
      const entry = listEntry(name, object)
      const notListed = list ? await reasonOf(changeList(objects => withEntry(objects, entry), wishes)) : undefined
      return { root: object.root, reference, isPrivate: object.reference !== undefined, replicas, notListed }
    },
    get,
    async status(name) {
      const { ledger: followed, history } = await follow()
      isFollowing = true
      const { name: object } = resolve(name)
      const { state: ledgerState } = followed
      const own = findObjectDeals(ledgerState, object, signer.address)
      const notices = await askRepairNotices(
        {
          node: node.libp2p,
          networkId: ledgerState.networkId,
          state: ledgerState,
          verifier: tools.signatures,
          signal: AbortSignal.timeout(NOTICES_MS_MAX)
        },
        own.map(({ deal }) => deal)
      )
      return statusOfObject(ledgerState, history, object, own.length > 0 ? signer.address : undefined, notices)
    },
    async verified(name) {
      const { ledger: followed, verifications } = await follow()
      isFollowing = true
      return verifiedObject(followed.state, verifications, resolve(name).name, machineClock.now())
    },
    async list(wishes = {}) {
      const { list, unread } = await readStoredObjectList(await paying(), wishes.signal)
      state.listSequence = Math.max(state.listSequence, list.sequence)
      return { objects: list.objects.map(toListed), unread }
    },
    async remove(name, { signal: abort } = {}) {
      const { name: object } = resolve(name)
      const removed = await removeObject(await paying(), object, { signal: abort })
      const root = 'secret' in object ? object.root : object
      const isListed = (one: ListedObject) => one.root.equals(root) && isSameSecret(one, object)
      const { list } = await readStoredObjectList(await paying(), abort)
      if (list.objects.some(isListed))
        await changeList(objects => objects.filter(one => !isListed(one)), { signal: abort })
      return removed
    },
    quoteTopUp: async (name, { rounds }) =>
      planTopUp((await paying()).ledger.state, signer.address, resolve(name).name, rounds),
    topUp: async (name, wishes) => topUpObject(await paying(), resolve(name).name, wishes),
    stop,
    [Symbol.asyncDispose]: stop
  }
  return client
}

const NO_LIST = { objects: [] as readonly ListedObject[] }

/** For the defaults of a store alone. */
const NO_OBJECT: StoreOptions['object'] = { areReplicasIdentical: true, replica: () => [] }

function resolve(name: ObjectName): NamedObject {
  return typeof name === 'string' ? parseObjectName(name) : { name, path: [] }
}

function stagingIn(stateDirectory: string | undefined): string {
  return stateDirectory === undefined ? join(tmpdir(), 'holdfast-staging') : join(stateDirectory, 'staging')
}

function nameOf(source: DiskSource): string {
  if (typeof source === 'string') return join(source, '.').split(/[/\\]/).at(-1) ?? ''
  return 'carFile' in source ? (source.carFile.split(/[/\\]/).at(-1) ?? '') : ''
}

/**
 * What was stored in part can go on as long as the secret is known: it stays where the next put of the same source finds it.
 * Where nothing of it is at any provider, nothing is left here either.
 */
async function storeOrLeave(
  client: Client,
  object: StagedObject,
  { onPacked, ...wishes }: StoreWishes & Pick<PutOptions, 'onPacked'>
): Promise<readonly StoredReplica[]> {
  try {
    if (onPacked !== undefined) onPacked({ object, quote: await client.quote(object, wishes) })
    return await client.store(object, wishes)
  } catch (error) {
    const { reference } = object
    if (reference === undefined) throw error
    const isIncomplete = error instanceof CoreError && error.code === 'STORE_INCOMPLETE'
    const { state } = await client.ledger()
    if (isIncomplete || findObjectDeals(state, reference, client.address).length > 0) await object.leave()
    if (!isIncomplete) throw error
    const details = { ...error.details, reference: formatObjectName(reference) }
    throw new CoreError(error.code, error.message, details, { cause: error.cause })
  }
}

function canBeReadAgain(source: DiskSource): boolean {
  return typeof source === 'string' || source instanceof Uint8Array || source instanceof Blob || 'carFile' in source
}

/** Waits, and gives the reason of a failure that is not worth failing for; an abort is not one of these. */
async function reasonOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    if (!(error instanceof CoreError)) throw error
    return error.message
  }
}
