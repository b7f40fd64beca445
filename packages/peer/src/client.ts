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
  changeStoredObjectList,
  connectionTo,
  createSigner,
  createStatementDigest,
  findObjectDeals,
  findReplicas,
  type Ledger,
  type ListComponents,
  type ListedObject,
  machineClock,
  measureLatencies,
  networkIdOf,
  type OpenComponents,
  planTopUp,
  quoteStore,
  readStoredObjectList,
  removeObject,
  replicasOf,
  roundAtMs,
  type StoreOptions,
  statusOfObject,
  storeObject,
  topUpObject,
  verifiedObject
} from '@holdfast/core'
import { nodePieceCiphers } from './ciphers.ts'
import { openClientState } from './client/client-state.ts'
import type { CallOptions, Client, ClientOptions, StoreWishes } from './client/client-types.ts'
import { type FollowedLedger, followLazily } from './client/followed-ledger.ts'
import { createReadersHttpSource } from './client/http-source.ts'
import { isSameSecret, toListed } from './client/listed-objects.ts'
import { putObject } from './client/put-object.ts'
import { createGet, resolveName } from './client/read-objects.ts'
import { repairStored } from './client/repair-objects.ts'
import { PeerError } from './error.ts'
import { createHashingThreads } from './hashing/hashing-threads.ts'
import { loadKey } from './key-file.ts'
import { wasmSignatureVerifier } from './ledger/wasm-signatures.ts'
import { readNetworkFile } from './network-file.ts'
import { createNode } from './node.ts'
import { chooseNodeHasher } from './node-hasher.ts'
import { stageObject } from './staging/stage-object.ts'

export type * from './client/client-types.ts'
export type { DiskSource, StagedObject } from './staging/stage-object.ts'

/** That a status waits for providers to say what they lost: most say nothing, at once. */
const NOTICES_MS_MAX = 3_000

/** With 20 leaves an hour, a loss of 1 % is found within a day with 99 %. */
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
  const http = starting.use(
    createReadersHttpSource(network, transports?.includes('tcp') === false ? undefined : node.party)
  )
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
  const { leafParts, privateLeafParts } = state
  const remembering = { leafParts, privateLeafParts }
  const packing = { nodeHasher, createHasher: hashing.createHasher, ciphers: nodePieceCiphers, random, ...remembering }
  let isFollowing = false
  let stopping: Promise<void> | undefined

  async function followed(call?: CallOptions): Promise<FollowedLedger> {
    const found = await follow(call)
    isFollowing = true
    return found
  }

  const ledger = async (call?: CallOptions): Promise<Ledger> => (await followed(call)).ledger

  /** @throws {PeerError} `NO_KEY` for a client that only reads */
  async function paying(call?: CallOptions): Promise<ListComponents> {
    if (options.key === undefined)
      throw new PeerError(
        'NO_KEY',
        'This client has no key, so nobody would pay: create it with `key`, the path of a key file.'
      )
    return {
      node: node.libp2p,
      ledger: await ledger(call),
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
    ...remembering,
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

  async function changeList(
    change: (objects: readonly ListedObject[]) => readonly ListedObject[],
    wishes: StoreWishes
  ): Promise<void> {
    const { replicas, leavesPerRound, rounds, signal: abort } = complete(NO_OBJECT, wishes)
    const listing = { replicas, leavesPerRound, rounds, signal: abort, seenSequence: state.listSequence }
    state.listSequence = await changeStoredObjectList(await paying({ signal: abort }), change, listing)
    await state.save()
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
    async quote(object, wishes = {}) {
      const components = { node: node.libp2p, ledger: await ledger(wishes), signer, measurements: state.measurements }
      await measureLatencies(components, complete(object, wishes), wishes.signal)
      return quoteStore(components, complete(object, wishes))
    },
    store: async (object, wishes = {}) => storeObject(await paying(wishes), complete(object, wishes)),
    async put(source, wishes) {
      try {
        return await putObject({ client, paying, changeList, replicasDefault: REPLICAS_DEFAULT }, source, wishes)
      } finally {
        await state.save()
      }
    },
    get: createGet({ ...reading, http }, nodeHasher),
    async status(name, call = {}) {
      const { name: object } = resolveName(name)
      const { ledger: own, history } = await followed(call)
      const { state: ledgerState } = own
      const deals = findObjectDeals(ledgerState, object, signer.address)
      const notices = await askRepairNotices(
        {
          node: node.libp2p,
          networkId: ledgerState.networkId,
          state: ledgerState,
          verifier: tools.signatures,
          signal: AbortSignal.any([
            AbortSignal.timeout(NOTICES_MS_MAX),
            ...(call.signal === undefined ? [] : [call.signal])
          ])
        },
        deals.map(({ deal }) => deal)
      )
      call.signal?.throwIfAborted()
      return statusOfObject(ledgerState, history, object, deals.length > 0 ? signer.address : undefined, notices)
    },
    async verified(name, call) {
      const { name: object } = resolveName(name)
      const { ledger: own, verifications } = await followed(call)
      return verifiedObject(own.state, verifications, object, machineClock.now())
    },
    repair: async (name, wishes) => repairStored(await paying(wishes), tools.signatures, name, wishes),
    async list(wishes = {}) {
      const { list, unread } = await readStoredObjectList(await paying(wishes), wishes.signal)
      state.listSequence = Math.max(state.listSequence, list.sequence)
      return { objects: list.objects.map(toListed), unread }
    },
    async remove(name, wishes = {}) {
      const { name: object } = resolveName(name)
      const removed = await removeObject(await paying(wishes), object, wishes)
      const root = 'secret' in object ? object.root : object
      const isListed = (one: ListedObject) => one.root.equals(root) && isSameSecret(one, object)
      const without = (objects: readonly ListedObject[]) =>
        objects.some(isListed) ? objects.filter(one => !isListed(one)) : objects
      await changeList(without, { signal: wishes.signal })
      return removed
    },
    quoteTopUp: async (name, { rounds, ...call }) =>
      planTopUp((await paying(call)).ledger.state, signer.address, resolveName(name).name, rounds),
    topUp: async (name, wishes) => topUpObject(await paying(wishes), resolveName(name).name, wishes),
    stop,
    [Symbol.asyncDispose]: stop
  }
  return client
}

/** For the defaults of a store alone. */
const NO_OBJECT: StoreOptions['object'] = { areReplicasIdentical: true, replica: () => [] }

function stagingIn(stateDirectory: string | undefined): string {
  return stateDirectory === undefined ? join(tmpdir(), 'holdfast-staging') : join(stateDirectory, 'staging')
}
