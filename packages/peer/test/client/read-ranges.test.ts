/** Ranges of a public object, read from a provider in this process: which way they come. */
import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import type { ClientOptions } from '../../src/client/client-types.ts'
import { createClient } from '../../src/client.ts'
import { type SmallNetwork, startSmallNetwork } from '../small-network.ts'

const MIB = 2 ** 20
const FILE = randomBytes(3 * MIB)
const RANGE = { offset: MIB + 1_000, length: 64 * 1024 }
const WANTED = FILE.subarray(RANGE.offset, RANGE.offset + RANGE.length)

const life = new AsyncDisposableStack()
let net: SmallNetwork
let root: string
let asked: string[]

beforeAll(async () => {
  net = await startSmallNetwork(life, ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'])
  const writer = await openClient({ key: net.key }, life)
  root = `${(await writer.put(FILE, { replicas: 1, encrypt: false, list: false })).root}`
  const note = (message: unknown) => {
    const { request } = message as { request: IncomingMessage }
    const how = request.socket instanceof TLSSocket ? 'under TLS' : 'in the open'
    asked.push(`${how} ${request.url} ${request.headers.range ?? 'whole'}`)
  }
  subscribe('http.server.request.start', note)
  life.defer(() => void unsubscribe('http.server.request.start', note))
}, 60_000)
afterAll(() => life.disposeAsync())

async function openClient(options: Partial<ClientOptions> = {}, until?: AsyncDisposableStack) {
  asked = []
  const client = await createClient({ network: net.networkFile, ...options })
  if (until === undefined) onTestFinished(() => client.stop())
  else until.defer(() => client.stop())
  return client
}

const read = async (client: Awaited<ReturnType<typeof openClient>>) =>
  (await buffer(client.get(root, RANGE))).equals(WANTED)

it('come by HTTPS from the provider itself, block by block', async () => {
  const client = await openClient()
  expect(await read(client)).toBe(true)
  expect(asked.length).toBeGreaterThanOrEqual(2)
  for (const one of asked) expect(one).toMatch(/^under TLS \/ipfs\/baf\w+\?format=raw whole$/)
})

it('are parts of leaves for who has stored them', async () => {
  const client = await openClient({ key: net.key })
  expect(await read(client)).toBe(true)
  expect(asked.at(-1)).toMatch(/ bytes=0-98303$/)
})

it('come over libp2p to who speaks WebSockets alone', async () => {
  const client = await openClient({ transports: ['websockets'] })
  expect(await read(client)).toBe(true)
  expect(asked).toEqual([])
})
