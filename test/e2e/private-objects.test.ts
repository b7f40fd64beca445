/** Private objects at real providers: what they see, who can read, and how a store goes on and a replica is made again. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createPermits,
  createSigner,
  createStatementDigest,
  deriveObjectKeys,
  encodeCarHeader,
  encodeSection,
  findPiece,
  formatRepairReference,
  parseReference,
  parseRepairReference,
  repairReplica,
  replicasOf,
  toReplica
} from '@holdfast/core'
import {
  chooseNodeHasher,
  compareTrees,
  createNode,
  dataDirectoryPaths,
  loadOrCreateKey,
  nodePieceCiphers
} from '@holdfast/peer'
import {
  type Client,
  createClient,
  type DiskSource,
  type GetEvent,
  type PutEvent,
  type PutResult
} from '@holdfast/peer/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { STANDING_ROUND_MS, startTestDevnet, type TestDevnet } from './test-devnet.ts'

const MIB = 1024 * 1024
const REPLICAS = 3
const SECRET_NAME = 'sehr-geheimer-dateiname'
const SECRET_TEXT = 'the treasure is under the third oak, seven paces north'

let net: TestDevnet
let tree: string
let put: PutResult
let state: string
beforeAll(async () => {
  net = await startTestDevnet({ providers: REPLICAS + 1, roundMs: STANDING_ROUND_MS })
  state = join(net.directory, 'state')
  tree = join(net.directory, 'tree')
  await mkdir(join(tree, SECRET_NAME), { recursive: true })
  await writeFile(join(tree, SECRET_NAME, 'note.txt'), SECRET_TEXT)
  await writeFile(join(tree, 'large.bin'), randomBytes(3 * MIB + 77))
  put = await net.client.put(tree, { replicas: REPLICAS })
}, 120_000)
afterAll(() => net?.[Symbol.asyncDispose]())

async function* filesUnder(directory: string): AsyncGenerator<string> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* filesUnder(path)
    else if (entry.isFile()) yield path
  }
}

/** A client that shares nothing with the first but what it is given. */
function openClient(options: Partial<Parameters<typeof createClient>[0]> = {}): Promise<Client> {
  return createClient({ network: net.devnet.network, ...options })
}

const referenceOf = ({ reference }: PutResult) => {
  const verdict = parseReference(reference)
  if (!verdict.ok) throw new Error(verdict.reason)
  return verdict.reference
}

describe('a private object', { timeout: 120_000 }, () => {
  test('leaves no trace of its CIDs, names and bytes with ledger and providers', async () => {
    expect(put.isPrivate).toBe(true)
    const large = await readFile(join(tree, 'large.bin'))
    const root = put.root
    const needles = [
      ['root as text', Buffer.from(root.toString())],
      ['root as bytes', Buffer.from(root.bytes)],
      ['root digest', Buffer.from(root.multihash.digest)],
      ['secret', Buffer.from(referenceOf(put).secret)],
      ['a name', Buffer.from(SECRET_NAME)],
      ['a text', Buffer.from(SECRET_TEXT)],
      ['bytes', large.subarray(MIB + 5, MIB + 37)]
    ] as const
    let looked = 0
    for (const { directory } of net.devnet.peers) {
      for await (const path of filesUnder(directory)) {
        const bytes = await readFile(path)
        looked += 1
        expect(
          needles.filter(([, needle]) => bytes.includes(needle)).map(([what]) => what),
          path
        ).toEqual([])
      }
    }
    expect(looked).toBeGreaterThan(20)
  })

  test('is read back by whoever has its reference, and by nobody who has its root', async () => {
    await using reader = await openClient()
    const copy = join(net.directory, 'copy')
    const read: GetEvent[] = []
    await reader.get(put.reference, copy, { onProgress: event => read.push(event) })
    expect(await compareTrees(tree, copy)).toMatchObject({ equal: true, files: 2 })
    expect(new Set(read.map(({ path }) => path.join('/')))).toEqual(new Set(['large.bin', `${SECRET_NAME}/note.txt`]))
    const sizes = read.map(({ readBytes }) => readBytes)
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b))
    expect(sizes.at(-1)).toBe(3 * MIB + 77 + SECRET_TEXT.length)
    await expect(reader.get(put.root, join(net.directory, 'none'))).rejects.toMatchObject({ code: 'NOT_STORED' })
    const other = put.reference.replace(/.$/, end => (end === 'a' ? 'b' : 'a'))
    await expect(reader.get(other, join(net.directory, 'none'))).rejects.toMatchObject({ code: 'REFERENCE_INVALID' })
  })

  test('is read within the budget that its reader gives', async () => {
    await using reader = await openClient()
    const copy = join(net.directory, 'too-much')
    for (const budget of [{ entries: 2 }, { bytes: MIB }, { blocks: 4 }, { depth: 0 }]) {
      const exceeded = { code: 'BUDGET_EXCEEDED' }
      await expect(reader.get(put.reference, copy, { budget })).rejects.toMatchObject(exceeded)
      const chunks = reader.get(`${put.reference}/large.bin`, { budget: { bytes: MIB } })
      await expect(chunks[Symbol.asyncIterator]().next()).rejects.toMatchObject(exceeded)
    }
    await expect(stat(copy)).rejects.toMatchObject({ code: 'ENOENT' })
    await reader.get(put.reference, copy, { budget: { entries: 3, bytes: 4 * MIB, blocks: 50, depth: 3 } })
    expect(await compareTrees(tree, copy)).toMatchObject({ equal: true })
  })

  test('gives ranges of its files, also bound to the pieces that are paid for', async () => {
    await using reader = await openClient()
    const large = await readFile(join(tree, 'large.bin'))
    for (const bindToPiece of [false, true]) {
      for (const [offset, length] of [
        [0, 10],
        [MIB - 3, 6],
        [2 * MIB + 1, MIB],
        [3 * MIB + 70, 100]
      ] as const) {
        const chunks: Uint8Array[] = []
        for await (const chunk of reader.get(`${put.reference}/large.bin`, { offset, length, bindToPiece }))
          chunks.push(chunk)
        expect(Buffer.compare(Buffer.concat(chunks), large.subarray(offset, offset + length))).toBe(0)
      }
    }
  })

  test('stands as different pieces, one label each', async () => {
    const { state: ledger } = net.ledger
    const held = put.replicas.map(({ dealId }) => ledger.deals.get(dealId)!.pieces[0]!)
    expect(new Set(held.map(({ cid }) => cid.toString())).size).toBe(REPLICAS)
    expect(new Set(held.map(({ label }) => label)).size).toBe(REPLICAS)
    expect(held.every(({ label }) => label.length === 40)).toBe(true)
  })

  test('put again, stores and pays nothing again', async () => {
    const { deals, sequence } = net.ledger.state
    const before = { deals: deals.size, sequence }
    const events: PutEvent[] = []
    const again = await net.client.put(tree, { replicas: REPLICAS, onProgress: event => events.push(event) })
    expect(again.reference).toBe(put.reference)
    expect(events).toEqual([])
    expect({ deals: net.ledger.state.deals.size, sequence: net.ledger.state.sequence }).toEqual(before)
  })

  test('is found again with nothing but the key', async () => {
    await using elsewhere = await openClient({ key: net.devnet.clientKeyFile, stateDirectory: state })
    const entries: number[] = []
    const { objects, unread } = await elsewhere.list({ onProgress: event => entries.push(event.entries) })
    expect(unread).toEqual([])
    expect(entries.at(-1)).toBeGreaterThan(REPLICAS)
    expect(objects).toMatchObject([{ name: 'tree', reference: put.reference, isPrivate: true }])
    const chunks: Uint8Array[] = []
    for await (const chunk of elsewhere.get(`${objects[0]!.reference}/${SECRET_NAME}/note.txt`)) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe(SECRET_TEXT)
  })

  test('has a status that says what stands and what it costs', async () => {
    const status = await net.client.status(put.reference)
    expect(status).toMatchObject({ isPrivate: true, areReplicasDistinct: true, problems: [] })
    expect(status.replicas.map(({ provider }) => provider).sort()).toEqual(
      put.replicas.map(({ provider }) => provider).sort()
    )
    expect(status.pricePerRound).toBeGreaterThan(0n)
    const steps: unknown[] = []
    const onProgress = (step: unknown) => steps.push(step)
    const added = await net.client.topUp(put.reference, { rounds: 1000, onProgress })
    expect(added).toHaveLength(REPLICAS)
    expect(steps).toEqual(added.map(one => ({ kind: 'toppedUp', ...one })))
    expect(
      (await net.client.status(put.reference)).replicas.every(({ fundedUntilRound }) => fundedUntilRound >= 1000)
    ).toBe(true)
  })

  test('can be quoted by a client that knows nobody yet, and wants providers that answer soon', async () => {
    await using fresh = await openClient({
      key: net.devnet.clientKeyFile,
      stateDirectory: join(net.directory, 'fresh')
    })
    await using object = await fresh.pack(Uint8Array.of(1))
    const { reasons } = await fresh.quote(object, { replicas: REPLICAS, latencyMsMax: 3_000 })
    expect([...reasons.values()]).toEqual(Array(REPLICAS).fill(expect.stringMatching(/answers after \d+ ms/)))
    await expect(fresh.quote(object, { replicas: REPLICAS, latencyMsMax: 1e-9 })).rejects.toMatchObject({
      code: 'NO_PLACEMENT',
      message: expect.stringMatching(/the nearest relaxation is \d+ ms/)
    })
  })

  test('whose replica is lost is repaired with the repair key alone, as the piece that the ledger names', async () => {
    // A stranger: an account of its own, the repair reference, and the ledger.
    const { layout, pieceCount, secret } = referenceOf(put)
    const given = formatRepairReference({ repairKey: deriveObjectKeys(secret).repairKey, layout, pieceCount })
    const verdict = parseRepairReference(given)
    if (!verdict.ok) throw new Error(verdict.reason)
    const { repairKey } = verdict.reference
    const layer = { ciphers: nodePieceCiphers, repairKey, layout }
    const { raw } = await loadOrCreateKey(join(net.directory, 'stranger.key'))
    await using node = await createNode({ privateKey: raw, listen: [] })
    await node.start()
    const { networkId, parameters, round } = net.ledger.state
    const stranger = {
      node: node.libp2p,
      networkId,
      find: async (label: Uint8Array) => replicasOf(net.ledger.state, label),
      digestOf: createStatementDigest(networkId),
      reader: createSigner(raw).address,
      validUntilRound: () => round + parameters.statementRoundsMax
    }
    const found = await findPiece(stranger.find, layer, 0)
    expect(found).toHaveLength(REPLICAS)
    const [from, lost] = found
    const peer = net.devnet.providers.find(({ address }) => address === lost!.provider)!
    const { piecesDirectory } = dataDirectoryPaths(peer.directory)
    const before = await readFile(join(piecesDirectory, lost!.cid.toString()))
    await rm(join(piecesDirectory, lost!.cid.toString()))
    const source = toReplica(stranger, createPermits(stranger, repairKey), from!)
    const chunks: Uint8Array[] = []
    for await (const chunk of repairReplica({
      ...layer,
      piece: 0,
      from: source,
      to: lost!.place.replica,
      cid: lost!.cid,
      nodeHasher: await chooseNodeHasher()
    }))
      chunks.push(chunk.slice())
    expect(Buffer.compare(Buffer.concat(chunks), before)).toBe(0)
    await writeFile(join(piecesDirectory, lost!.cid.toString()), before)
  })

  test('that is removed leaves list and deals', async () => {
    const path = join(net.directory, 'short-lived')
    await writeFile(path, 'for a while')
    const { reference } = await net.client.put(path, { replicas: 1 })
    const steps: string[] = []
    const removed = await net.client.remove(reference, { onProgress: ({ kind }) => steps.push(kind) })
    expect(removed).toMatchObject([{ pieces: 1 }])
    expect(steps).toEqual(['removed'])
    expect((await net.client.status(reference)).problems).toMatchObject([{ what: 'nobody is paid to store it' }])
    expect((await net.client.list()).objects.map(({ name }) => name)).toEqual(['tree'])
    expect(await net.client.remove(reference)).toEqual([])
  })

  test('that nobody wants any more leaves nothing behind', async () => {
    const path = join(net.directory, 'unwanted.bin')
    await writeFile(path, randomBytes(8 * MIB))
    const { sequence } = net.ledger.state
    for (const [what, stage] of [
      ['while it is packed', 'packing'],
      ['while it is sent', 'sending']
    ] as const) {
      const leaving = new AbortController()
      const leave = () => leaving.abort(new Error(`unwanted ${what}`))
      const putting = net.client.put(path, {
        replicas: REPLICAS,
        signal: leaving.signal,
        ...(stage === 'packing' && { onPackProgress: leave }),
        onProgress(event) {
          if (event.kind === 'progress' && event.storedBytes > 0) leave()
        }
      })
      await expect(putting).rejects.toThrow(`unwanted ${what}`)
      expect(await readdir(join(`${net.devnet.clientKeyFile}.state`, 'staging'))).toEqual([])
    }
    const added = [...net.ledger.state.deals.values()]
      .flatMap(({ pieces }) => pieces)
      .filter(({ rawSize }) => rawSize > 8 * MIB)
    expect(added).toEqual([])
    expect(net.ledger.state.sequence - sequence).toBeLessThanOrEqual(REPLICAS)
    const reading = new AbortController()
    const iterate = async () => {
      for await (const _ of net.client.get(`${put.reference}/large.bin`, { signal: reading.signal }))
        reading.abort(new Error('enough'))
    }
    await expect(iterate()).rejects.toThrow('enough')
    const target = join(net.directory, 'unwanted-copy')
    const early = AbortSignal.abort(new Error('early'))
    await expect(net.client.get(put.reference, target, { signal: early })).rejects.toThrow('early')
    expect((await readdir(net.directory)).filter(name => name.includes('unwanted-copy'))).toEqual([])
  })

  test('of nothing is an object too, and so is a public one', async () => {
    const file = join(net.directory, 'empty-file')
    const folder = join(net.directory, 'empty-folder')
    await writeFile(file, '')
    await mkdir(folder)
    for (const [path, root] of [
      // As Kubo names them.
      [file, 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'],
      [folder, 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354']
    ] as const) {
      for (const encrypt of [true, false]) {
        const stored = await net.client.put(path, { replicas: 1, encrypt, list: false })
        expect(stored.root.toString()).toBe(root)
        const copy = `${path}-${encrypt}`
        await net.client.get(stored.reference, copy)
        expect(await compareTrees(path, copy)).toMatchObject({ equal: true, bytes: 0 })
        expect((await net.client.status(stored.reference)).problems).toEqual([])
        await net.client.remove(stored.reference)
      }
    }
  })

  test('comes in whatever an app has: bytes, a Blob, a stream, an iterable, a path, a CAR', async () => {
    const bytes = new Uint8Array(randomBytes(300_000))
    const path = join(net.directory, 'a-file')
    await writeFile(path, bytes)
    const iterate = async function* () {
      yield bytes.subarray(0, 7).slice()
      yield bytes.subarray(7).slice()
    }
    const sources: (() => DiskSource)[] = [
      () => bytes.slice(),
      () => new Blob([bytes]),
      () => new Blob([bytes]).stream(),
      iterate,
      () => path
    ]
    const options = { replicas: 1, list: false }
    const { root } = await net.client.put(bytes.slice(), { ...options, encrypt: false })
    const carFile = join(net.directory, 'a.car')
    await writeFile(carFile, Buffer.concat([encodeCarHeader([root]), encodeSection(root, bytes)]))
    for (const source of [...sources, () => ({ carFile })]) {
      for (const encrypt of [true, false]) {
        const stored = await net.client.put(source(), { ...options, encrypt })
        expect(stored.root.toString()).toBe(root.toString())
        const chunks: Uint8Array[] = []
        for await (const chunk of net.client.get(stored.reference)) chunks.push(chunk)
        expect(Buffer.compare(Buffer.concat(chunks), bytes)).toBe(0)
        if (encrypt) await net.client.remove(stored.reference)
      }
    }
    await net.client.remove(root)
  })

  test('that is public can be bound to its pieces too', async () => {
    const { reference } = await net.client.put(join(tree, 'large.bin'), { replicas: 2, encrypt: false, list: false })
    const large = await readFile(join(tree, 'large.bin'))
    const chunks: Uint8Array[] = []
    for await (const chunk of net.client.get(reference, { offset: MIB - 1, length: MIB, bindToPiece: true }))
      chunks.push(chunk)
    expect(Buffer.compare(Buffer.concat(chunks), large.subarray(MIB - 1, 2 * MIB - 1))).toBe(0)
  })

  test('of identical replicas is sent once and pulled', async () => {
    const path = join(net.directory, 'identical.bin')
    await writeFile(path, randomBytes(3 * MIB))
    const events: PutEvent[] = []
    const { reference, replicas } = await net.client.put(path, {
      replicas: REPLICAS,
      layout: 'identical',
      onProgress: event => events.push(event)
    })
    expect(replicas).toHaveLength(REPLICAS)
    expect(events.filter(({ kind }) => kind === 'pullFailed' || kind === 'failed')).toEqual([])
    const labels = replicas.map(({ dealId }) => net.ledger.state.deals.get(dealId)!.pieces.at(-1)!)
    expect(labels.length).toBe(REPLICAS)
    await using reader = await openClient()
    const copy = join(net.directory, 'identical-copy')
    await reader.get(reference, copy)
    expect(await compareTrees(path, copy)).toMatchObject({ equal: true })
    expect((await net.client.status(reference)).areReplicasDistinct).toBe(false)
  })
})
