/** Providers that are killed, stopped, or lie, at every stage of put and get: nothing wrong is read, nothing is left half. */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compareTrees } from '@holdfast/peer'
import { type Client, createClient, type PutEvent, type PutResult } from '@holdfast/peer/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { awaitAsks } from '../../packages/peer/dist/devnet/await-asks.js'
import type { Behaviour } from './hostile-provider.ts'
import { type Liar, startLiar } from './start-liar.ts'
import { STANDING_ROUND_MS, startTestDevnet, type TestDevnet } from './test-devnet.ts'

const MIB = 1024 * 1024
const HONEST = 3
/** A provider waits up to 3 s for the news of a deal, and a busy machine for its turn. */
const PATIENCE = { answerMsMax: 10_000 }

let net: TestDevnet
let liar: Liar
let client: Client
beforeAll(async () => {
  net = await startTestDevnet({ providers: HONEST, roundMs: STANDING_ROUND_MS })
  liar = await startLiar(net)
  await awaitAsks(net.ledger, HONEST + 1)
  client = await createClient({
    network: net.devnet.network,
    key: net.devnet.clientKeyFile,
    stateDirectory: join(net.directory, 'state'),
    patience: PATIENCE
  })
}, 120_000)
afterAll(async () => {
  await client?.stop()
  await liar?.[Symbol.asyncDispose]()
  await net?.[Symbol.asyncDispose]()
})

let files = 0
async function writeContent(sizeBytes: number): Promise<string> {
  files += 1
  const path = join(net.directory, `content-${files}`)
  await writeFile(path, randomBytes(sizeBytes))
  return path
}

/** A client that has measured nobody yet. */
async function openFresh(): Promise<Client> {
  files += 1
  return await createClient({
    network: net.devnet.network,
    key: net.devnet.clientKeyFile,
    stateDirectory: join(net.directory, `state-${files}`),
    patience: PATIENCE
  })
}

/** A reader who believes that the liar is the fastest of all, and so asks it first. */
async function openReader(): Promise<Client> {
  files += 1
  const stateDirectory = join(net.directory, `state-${files}`)
  await mkdir(stateDirectory)
  const fast = { latencyMs: 1, uploadBytesPerSecond: 1e9, downloadBytesPerSecond: 1e9, failures: 0 }
  const state = { version: 1, listSequence: -1, measurements: [[liar.address, fast]] }
  await writeFile(join(stateDirectory, 'state.json'), JSON.stringify(state))
  return await createClient({ network: net.devnet.network, stateDirectory, patience: PATIENCE })
}

const inPublic = { encrypt: false, list: false } as const
const inPrivate = { list: false } as const

/** Cases that wait as long as others of their kind: run with HOLDFAST_LONG=1. */
function onlyLong<T>(cases: readonly T[]): readonly T[] {
  return process.env.HOLDFAST_LONG === '1' ? cases : []
}

/** Two replicas of new content, by a client that has measured nobody: the liar, who is the cheapest, is asked first. */
async function putTwice(behaviour: Behaviour, kind: typeof inPublic | typeof inPrivate, sizeBytes: number) {
  await liar.behave(behaviour)
  await using fresh = await openFresh()
  const path = await writeContent(sizeBytes)
  const events: PutEvent[] = []
  const put = await fresh.put(path, { ...kind, replicas: 2, onProgress: event => events.push(event) })
  return { path, events, put, status: await fresh.status(put.reference) }
}

describe('a put', () => {
  test.each<[Behaviour, typeof inPublic | typeof inPrivate, RegExp]>([
    ['silent', inPrivate, /silent|did not sign/],
    ['no word on orders', inPublic, /thought better of it/],
    ['no word on pieces', inPrivate, /which piece/],
    ['forged acceptance', inPrivate, /BAD_ACCEPTANCE|did not sign/],
    ['takes nothing', inPrivate, /did not store the piece/],
    ...onlyLong<[Behaviour, typeof inPublic, RegExp]>([['takes nothing', inPublic, /did not store the piece/]]),
    ['cuts uploads', inPrivate, /did not store the piece/],
    ['another piece stored', inPrivate, /damaged/],
    ['another piece stored', inPublic, /damaged/]
  ])(
    'to a provider of the kind "%s" goes to another one (%j)',
    { timeout: 90_000 },
    async (behaviour, kind, reason) => {
      const { put, events, status } = await putTwice(behaviour, kind, 2 * MIB)
      expect(events.filter(event => event.kind === 'failed')).toEqual([
        { kind: 'failed', provider: liar.address, reason: expect.stringMatching(reason) }
      ])
      expect(put.replicas.map(({ provider }) => provider)).not.toContain(liar.address)
      expect(status.replicas.filter(({ provider }) => provider === liar.address)).toEqual([])
      expect(status.replicas).toHaveLength(2)
    }
  )
})

const LIES_TO_READERS = [
  'refuses reads',
  'wrong bytes',
  'another place of the piece',
  'too few bytes',
  'too many bytes',
  'never ends'
] as const satisfies readonly Behaviour[]

describe('a pull', () => {
  test.each<Behaviour>([...LIES_TO_READERS, ...onlyLong(['stalls reads'] as const)])(
    'from a provider of the kind "%s" keeps no wrong byte, and the piece comes from its client',
    {
      timeout: 90_000
    },
    async behaviour => {
      const { path, put, events } = await putTwice(behaviour, inPublic, 3 * MIB)
      const { replicas, reference } = put
      const failed = events.filter(({ kind }) => kind === 'failed' || kind === 'pullFailed')
      const [, other] = replicas.toSorted(one => (one.provider === liar.address ? -1 : 1)).map(one => one.provider)
      expect(replicas.map(({ provider }) => provider)).toContain(liar.address)
      // Who has all that it asked for need not notice that more comes.
      if (behaviour !== 'too many bytes')
        expect(failed).toMatchObject([{ kind: 'pullFailed', provider: other, from: liar.address }])
      await liar.behave('refuses reads')
      await using reader = await openReader()
      const copy = join(net.directory, 'copy-of-a-pull')
      await reader.get(reference, copy)
      expect(await compareTrees(path, copy)).toMatchObject({ equal: true })
      await rm(copy)
    }
  )
})

describe.each([
  ['private', inPrivate],
  ['public', inPublic]
])('a get, %s', (_, kind) => {
  let path: string
  let put: PutResult
  beforeAll(async () => {
    await liar.behave('honest')
    await using fresh = await openFresh()
    path = await writeContent(5 * MIB + 321)
    const first = await fresh.put(path, { ...kind, list: true, replicas: 1 })
    expect(first.replicas.map(({ provider }) => provider)).toEqual([liar.address])
    // The list knows its secret: the same content again adds a replica to the object that stands.
    put = await fresh.put(path, { ...kind, list: true, replicas: 2 })
    expect(put.reference).toBe(first.reference)
    expect(put.replicas.map(({ provider }) => provider)).toContain(liar.address)
  }, 90_000)

  test.each<Behaviour>([
    'honest',
    ...LIES_TO_READERS,
    ...(kind === inPublic ? (['stalls reads'] as const) : onlyLong(['stalls reads'] as const))
  ])('from a provider of the kind "%s" gives the right bytes', { timeout: 90_000 }, async behaviour => {
    await liar.behave(behaviour)
    await using reader = await openReader()
    const failures: { provider: string; reason: string }[] = []
    const copy = join(net.directory, 'copy')
    const begun = performance.now()
    await reader.get(put.reference, copy, { onFailure: failure => failures.push(failure) })
    expect(await compareTrees(path, copy)).toMatchObject({ equal: true })
    await rm(copy)
    const failed = failures.map(({ provider, reason }) => (provider === liar.address ? 'the liar' : reason))
    // Who has all that it asked for need not notice that more comes.
    if (behaviour !== 'too many bytes' || failed.length > 0)
      expect(new Set(failed), JSON.stringify(failures)).toEqual(new Set(behaviour === 'honest' ? [] : ['the liar']))
    expect(performance.now() - begun).toBeLessThan(60_000)
  })

  test('says that nobody gave it when the only provider lies', { timeout: 90_000 }, async () => {
    await liar.behave('wrong bytes')
    const honest = net.devnet.providers.find(({ address }) =>
      put.replicas.some(({ provider }) => provider === address)
    )!
    await net.devnet.kill(honest)
    try {
      await using reader = await openReader()
      const copy = join(net.directory, 'none')
      await expect(reader.get(put.reference, copy)).rejects.toMatchObject({
        code: expect.stringMatching(/BLOCK_MISSING|PIECE_UNREADABLE/)
      })
      await expect(rm(copy)).rejects.toMatchObject({ code: 'ENOENT' })
    } finally {
      await net.devnet.restart(honest)
    }
  })
})

test('a put of bytes that found too few providers goes on from what stands', { timeout: 60_000 }, async () => {
  await liar.behave('no word on orders')
  await using fresh = await openFresh()
  const bytes = new Uint8Array(randomBytes(2 * MIB))
  const putting = fresh.put(bytes.slice(), { ...inPrivate, replicas: HONEST + 1 })
  const { details } = await putting.then(
    () => expect.unreachable(),
    error => error as { details: { reference: string; stored: readonly { dealId: number }[] } }
  )
  expect(details.stored).toHaveLength(HONEST)
  const events: PutEvent[] = []
  const onProgress = (event: PutEvent) => events.push(event)
  const { reference, replicas } = await fresh.put(new Blob([bytes]), { ...inPrivate, replicas: HONEST, onProgress })
  expect(reference).toBe(details.reference)
  expect(new Set(replicas.map(({ dealId }) => dealId))).toEqual(new Set(details.stored.map(({ dealId }) => dealId)))
  expect(events).toEqual([])
})

describe('a provider', () => {
  test.each<['SIGKILL' | 'SIGSTOP']>([...onlyLong([['SIGKILL'] as ['SIGKILL']]), ['SIGSTOP']])(
    'that gets %s in the middle of a put is replaced',
    { timeout: 120_000 },
    async signal => {
      await liar.behave('silent')
      await using fresh = await openFresh()
      const path = await writeContent(24 * MIB)
      let victim: TestDevnet['devnet']['providers'][number] | undefined
      const failed: string[] = []
      const { replicas, reference } = await fresh.put(path, {
        ...inPrivate,
        replicas: 2,
        onProgress(event) {
          if (event.kind === 'failed') failed.push(event.provider)
          if (victim !== undefined || event.kind !== 'progress' || event.storedBytes < 2 * MIB) return
          victim = net.devnet.providers.find(({ address }) => address === event.provider)
          if (victim !== undefined) process.kill(net.devnet.processOf(victim).pid, signal)
        }
      })
      try {
        expect(victim).toBeDefined()
        expect(failed).toContain(victim!.address)
        expect(replicas.map(({ provider }) => provider)).not.toContain(victim!.address)
        // Also what is read meanwhile does not wait for it.
        await using reader = await createClient({ network: net.devnet.network, patience: PATIENCE })
        let bytes = 0
        for await (const chunk of reader.get(reference)) bytes += chunk.length
        expect(bytes).toBe(24 * MIB)
      } finally {
        if (signal === 'SIGSTOP') process.kill(net.devnet.processOf(victim!).pid, 'SIGCONT')
        else await net.devnet.restart(victim!)
      }
    }
  )

  test('that is stopped is not missed by who reads on in a leaf, but by who wants to see it in its piece', async () => {
    await liar.behave('no word on orders')
    await using fresh = await openFresh()
    const path = await writeContent(3 * MIB)
    const { reference, replicas } = await fresh.put(path, { ...inPublic, replicas: 1 })
    const content = await readFile(path)
    await using reader = await createClient({ network: net.devnet.network, patience: PATIENCE })
    const read = async (offset: number, bindToPiece = false, signal?: AbortSignal) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of reader.get(reference, { offset, length: 100, bindToPiece, signal })) chunks.push(chunk)
      return Buffer.concat(chunks)
    }
    expect(await read(MIB + 10)).toEqual(content.subarray(MIB + 10, MIB + 110))
    const only = net.devnet.providers.find(({ address }) => address === replicas[0]!.provider)!
    process.kill(net.devnet.processOf(only).pid, 'SIGSTOP')
    try {
      expect(await read(MIB + 110)).toEqual(content.subarray(MIB + 110, MIB + 210))
      const signal = AbortSignal.timeout(1_000)
      expect(await Promise.allSettled([read(MIB + 110, true, signal), read(2 * MIB, false, signal)])).toEqual([
        { status: 'rejected', reason: expect.objectContaining({ name: 'TimeoutError' }) },
        { status: 'rejected', reason: expect.objectContaining({ name: 'TimeoutError' }) }
      ])
    } finally {
      process.kill(net.devnet.processOf(only).pid, 'SIGCONT')
    }
  })

  test.each<['SIGKILL' | 'SIGSTOP']>([['SIGKILL'], ...onlyLong([['SIGSTOP'] as ['SIGSTOP']])])(
    'that gets %s in the middle of a get is left, without a wrong or a second byte',
    { timeout: 120_000 },
    async signal => {
      await liar.behave('silent')
      await using fresh = await openFresh()
      const path = await writeContent(24 * MIB)
      const { reference } = await fresh.put(path, { ...inPublic, replicas: 2 })
      const content = await readFile(path)
      await using reader = await createClient({ network: net.devnet.network, patience: PATIENCE })
      let victim: TestDevnet['devnet']['providers'][number] | undefined
      const chunks: Uint8Array[] = []
      let bytes = 0
      for await (const chunk of reader.get(reference)) {
        chunks.push(chunk)
        bytes += chunk.length
        if (victim !== undefined || bytes < 4 * MIB) continue
        // The first deal that holds it is asked first by a reader who has measured nobody.
        const holding = (await fresh.status(reference)).replicas.toSorted((a, b) => a.dealId - b.dealId)
        victim = net.devnet.providers.find(({ address }) => address === holding[0]!.provider)!
        process.kill(net.devnet.processOf(victim).pid, signal)
      }
      try {
        expect(Buffer.compare(Buffer.concat(chunks), content)).toBe(0)
      } finally {
        if (signal === 'SIGSTOP') process.kill(net.devnet.processOf(victim!).pid, 'SIGCONT')
        else await net.devnet.restart(victim!)
      }
    }
  )
})
