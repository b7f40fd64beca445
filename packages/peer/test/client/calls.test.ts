/** Every call of a client obeys its signal, also while nobody answers, and leaves a client that can still be stopped. */
import { join } from 'node:path'
import { describeNetwork, formatReference } from '@holdfast/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { rootOf } from '../../../core/test/ledger/memory-pieces.ts'
import { HOST, PARAMETERS } from '../../../core/test/ledger/network-fixture.ts'
import { type Client, createClient } from '../../src/client.ts'
import { loadOrCreateKey } from '../../src/key-file.ts'
import { collect } from '../collect.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

/** Nobody listens there. */
const GONE = '/ip4/127.0.0.1/tcp/1'
const NETWORK = describeNetwork(PARAMETERS, { sequence: 1, host: [GONE], bootstrap: [] }, HOST)
const ROOT = rootOf('nobody has it')
const SECRET = formatReference({ root: ROOT, secret: new Uint8Array(32), layout: 'distinct', pieceCount: 1 })

const life = new AsyncDisposableStack()
let client: Client
let directory: string
beforeAll(async () => {
  directory = life.use(await temporaryDirectory()).path
  const key = join(directory, 'client.key')
  await loadOrCreateKey(key)
  client = life.use(await createClient({ network: NETWORK, key }))
})
afterAll(() => life.disposeAsync())

const NO_OBJECT = { areReplicasIdentical: true, replica: () => [] }

const CALLS: [string, (options: { readonly signal: AbortSignal }) => Promise<unknown>][] = [
  ['ledger', options => client.ledger(options)],
  ['pack', options => client.pack(Uint8Array.of(1), options)],
  ['quote', options => client.quote(NO_OBJECT, options)],
  ['store', options => client.store(NO_OBJECT, options)],
  ['put', options => client.put(Uint8Array.of(1), options)],
  ['get to a path', options => client.get(ROOT, join(directory, 'copy'), options)],
  ['get as a stream', options => collect(client.get(SECRET, options))],
  ['status', options => client.status(ROOT, options)],
  ['verified', options => client.verified(SECRET, options)],
  ['repair', options => client.repair(undefined, options)],
  ['list', options => client.list(options)],
  ['remove', options => client.remove(ROOT, options)],
  ['quoteTopUp', options => client.quoteTopUp(ROOT, { rounds: 1, ...options })],
  ['topUp', options => client.topUp(ROOT, { rounds: 1, ...options })]
]

it.each(CALLS)('%s begins nothing for a signal that was dropped before', async (_, call) => {
  await expect(call({ signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early')
})

/** What waits for the ledger waits for ever here; `pack` and `get` have their tests where something hangs for them. */
it.each(CALLS.filter(([name]) => name !== 'pack' && !name.startsWith('get')))(
  '%s ends at once when its signal is dropped while it waits',
  async (_, call) => {
    const leaving = new AbortController()
    const waiting = call({ signal: leaving.signal })
    const isOver = await Promise.race([waiting.then(() => true), new Promise(resolve => setImmediate(resolve, false))])
    expect(isOver).toBe(false)
    leaving.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  }
)
