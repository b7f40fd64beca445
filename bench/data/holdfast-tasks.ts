/** The client of a devnet, in a process of its own; the providers are the real ones, in theirs. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  asksInForce,
  createLeafParts,
  createMeasurements,
  createOpenedObjects,
  createRecentBlocks,
  createSigner,
  createStatementDigest,
  formatReference,
  type Ledger,
  machineClock,
  newestAskOf,
  type OpenComponents,
  openObject,
  parseObjectName,
  parsePeerAddresses,
  readBytes,
  replicasOf,
  type Signer,
  storePiece,
  upload
} from '@holdfast/core'
import {
  type Client,
  createClient,
  createHashingThreads,
  createHttpSource,
  createNode,
  loadKey,
  nodePieceCiphers,
  type PeerNode,
  stageObject
} from '@holdfast/peer'
import { loadNativeNodeHasher } from '@holdfast/proofs/native'
import { openClientState } from '../../packages/peer/src/client/client-state.ts'
import type { Task } from './measured-process.ts'

interface Opened {
  http: ReturnType<typeof createHttpSource>
  readonly client: Client
  readonly ledger: Ledger
  /** Path of the file. */
  readonly key: string
  readonly signer: Signer
  /** A node beside the client's: what the rows time is one protocol, not the client's choices. */
  readonly node: PeerNode
}

interface RangeRead {
  /** A CID, or a reference. */
  readonly name: string
  readonly offset: number
  readonly length: number
  readonly remembers: boolean
  readonly way: 'default' | 'plain' | 'libp2p'
}

/** Seconds of one `put`, one after the other. */
export interface PutStages {
  /** UnixFS, CAR, commitment. */
  readonly packing: number
  /** Until the first provider has every byte. */
  readonly uploading: number
  /** From then until the last has: public replicas are fetched by one provider from another. */
  readonly pulling: number
  /** Orders signed, on the ledger, and what is left to do. */
  readonly ordering: number
}

export const holdfastClient: Task = async () => {
  const nodeHasher = await loadNativeNodeHasher()
  const random = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes))
  const components = {
    nodeHasher,
    createHasher: createHashingThreads({ count: 2 }).createHasher,
    ciphers: nodePieceCiphers,
    random
  }
  let recentBlocks = createRecentBlocks()
  let leafParts = createLeafParts()
  /** Of the private file: what storing it has left. */
  const storedLeafParts = createLeafParts()
  let privateLeafParts = storedLeafParts
  const openedObjects = createOpenedObjects(machineClock.now)
  const measurements = createMeasurements()
  let opened: Opened | undefined

  const state = () => {
    if (opened === undefined) throw new Error('open comes first')
    return opened
  }

  /** The first deal of this client, with the addresses of its provider. */
  function firstDeal({ ledger, client }: Opened) {
    const deal = [...ledger.state.deals.values()].find(one => one.client === client.address)
    const ask = deal === undefined ? undefined : newestAskOf(ledger.state, deal.provider)
    if (deal === undefined || ask === undefined) throw new Error('no deal to store under')
    return { dealId: deal.id, addresses: ask.addresses }
  }

  function openComponents(
    { ledger, node, http, signer }: Opened,
    { remembers, way }: Pick<RangeRead, 'remembers' | 'way'>
  ): OpenComponents {
    const { networkId, parameters } = ledger.state
    return {
      node: node.libp2p,
      networkId,
      networkName: parameters.name,
      find: async label => replicasOf(ledger.state, label),
      digestOf: createStatementDigest(networkId),
      reader: signer.address,
      validUntilRound: () => ledger.state.round + Math.floor(parameters.statementRoundsMax / 2),
      ciphers: nodePieceCiphers,
      measurements,
      leafParts,
      privateLeafParts,
      openedObjects,
      allowsPlainHttp: way === 'plain',
      // What is kept open is to ask whichever source there is by then.
      ...(way !== 'libp2p' && { http: { mayDial: http.mayDial, request: wanted => state().http.request(wanted) } }),
      ...(remembers && { recentBlocks })
    }
  }

  return {
    async open({ network, key }: { network: string; key: string }) {
      const client = await createClient({ network, key })
      const { raw } = await loadKey(key)
      const node = await createNode({ privateKey: raw, listen: [] })
      await node.start()
      const ledger = await client.ledger()
      await untilAsked(ledger)
      opened = { client, ledger, key, signer: createSigner(raw), node, http: openSource(node) }
    },

    /** Stores a file publicly; the whole of `put`. */
    async put({ path, replicas }: { path: string; replicas: number }) {
      const before = performance.now()
      const seconds = () => (performance.now() - before) / 1000
      /** When the bytes of each replica were at its provider. */
      const moved: number[] = []
      let packed = 0
      const { root } = await state().client.put(path, {
        replicas,
        encrypt: false,
        list: false,
        onPacked() {
          packed = seconds()
        },
        onProgress(event) {
          if (event.kind === 'progress' && event.storedBytes === event.sizeBytes) moved.push(seconds())
        }
      })
      const all = seconds()
      const [first = packed, last = first] = [moved[0], moved.at(-1)]
      const stages: PutStages = {
        packing: packed,
        uploading: first - packed,
        pulling: last - first,
        ordering: all - last
      }
      return { root: `${root}`, seconds: all, stages }
    },

    /** Stores a file as one private replica, and remembers of it what a client's `put` remembers. */
    async putPrivate({ path }: { path: string }) {
      const stagingDirectory = await mkdtemp(join(dirname(path), 'staged-'))
      try {
        const packing = { ...components, privateLeafParts: storedLeafParts }
        await using object = await stageObject(path, packing, { replicaCount: 1, stagingDirectory })
        await state().client.store(object, { replicas: 1 })
        if (object.reference === undefined) throw new Error('a private object has a reference')
        return formatReference(object.reference)
      } finally {
        await rm(stagingDirectory, { recursive: true })
      }
    },

    /** Uploads one packed piece to a provider that syncs it and computes its commitment; packing is not timed. */
    async transfer({ path }: { path: string }) {
      const { ledger, node } = state()
      const { dealId, addresses } = firstDeal(state())
      const stagingDirectory = await mkdtemp(join(dirname(path), 'staged-'))
      try {
        await using object = await stageObject(path, components, { encrypt: false, stagingDirectory })
        const piece = object.replica(0)[0]!
        const before = performance.now()
        const answer = await upload(
          node.libp2p,
          parsePeerAddresses(addresses),
          storePiece,
          { dealId, sizeBytes: piece.rawSize },
          offset => piece.read(offset),
          { networkId: ledger.state.networkId }
        )
        const seconds = (performance.now() - before) / 1000
        if (answer.kind !== 'answer' || !answer.value.cid.equals(piece.cid))
          throw new Error(`the piece was not stored: ${JSON.stringify(answer)}`)
        return seconds
      } finally {
        await rm(stagingDirectory, { recursive: true })
      }
    },

    /** Reads a file, every block checked; what comes goes nowhere. */
    async get({ root }: { root: string }) {
      const before = performance.now()
      let sizeBytes = 0
      for await (const chunk of state().client.get(root)) sizeBytes += chunk.length
      return { sizeBytes, seconds: (performance.now() - before) / 1000 }
    },

    /**
     * Reads a range as `get` does, every byte checked, by a client that follows the ledger. Remembers what a client's `get` remembers:
     * of leaves what their parts must be, of private objects where they lie; or the leaves as well.
     */
    async read({ name, offset, length, remembers, way }: RangeRead) {
      const before = performance.now()
      const { name: object, path } = parseObjectName(name)
      const { root, fetchBlocks } = await openObject(openComponents(state(), { remembers, way }), object)
      let firstByteSeconds: number | undefined
      for await (const _ of readBytes({ root, fetchBlocks, path, offset, length }))
        firstByteSeconds ??= (performance.now() - before) / 1000
      return firstByteSeconds ?? 0
    },

    /** Leaves that were read are as if they had not been; of what was stored, `put` has left what its parts must be. */
    async forget({ hasStored }: { hasStored: boolean }) {
      recentBlocks = createRecentBlocks()
      leafParts = hasStored
        ? (await openClientState(join(`${state().key}.state`, 'state.json'))).leafParts
        : createLeafParts()
      privateLeafParts = hasStored ? storedLeafParts : createLeafParts()
    },

    /** The next request is the first of a connection, or the first of all. */
    async hangUp({ forgetsSessions }: { forgetsSessions: boolean }) {
      const { node, http } = state()
      http.hangUp()
      if (forgetsSessions) state().http = openSource(node)
      await Promise.all(node.libp2p.getConnections().map(connection => connection.close()))
    },

    async close() {
      await opened?.client.stop()
      await opened?.node.stop()
    }
  }
}

function openSource({ party }: PeerNode): ReturnType<typeof createHttpSource> {
  return createHttpSource({ named: [], party })
}

/** A new provider's ask counts from the next round on. */
async function untilAsked(ledger: Ledger): Promise<void> {
  const isAsked = () => !asksInForce(ledger.state).next().done
  if (isAsked()) return
  const asked = Promise.withResolvers<void>()
  const end = ledger.subscribe(() => {
    if (isAsked()) asked.resolve()
  })
  await asked.promise.finally(end)
}
