import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { storePiece, upload } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { createTransferBudget } from '../../src/provider/transfer-budget.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { pieceCidOf, randomBytes } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestProvider, type TestProvider } from './open-test-provider.ts'
import { WireClient } from './wire.ts'

const MIB = 1024 * 1024
const BYTES = randomBytes(1, 8 * MIB + 5)
const UPLOAD_ID = '0c'.repeat(16)

let life = new AsyncDisposableStack()
let network: TestNetwork
let provider: TestProvider
let client: WireClient
beforeEach(async () => {
  const { path } = life.use(await temporaryDirectory())
  network = new TestNetwork()
  await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
  provider = life.use(await openTestProvider(path, network))
  client = new WireClient(life.use(await startNode(keyOf('client'), [])), network)
})
afterEach(async () => {
  await provider.stopServing()
  expect(provider.errors).toEqual([])
  expect(provider.budget.takenBytes).toBe(0)
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

/** Uploads until the provider has taken so many bytes, and leaves. */
async function leaveAt(bytes: number, uploadId: string | undefined): Promise<void> {
  const leaving = new AbortController()
  const sending = client.upload(provider.addresses, 1, BYTES, {
    ...(uploadId !== undefined && { uploadId }),
    signal: leaving.signal,
    onProgress: taken => taken >= bytes && leaving.abort(new Error('left'))
  })
  await expect(sending).rejects.toThrow('left')
}

describe('an upload that broke off', () => {
  it.each([1, 3 * MIB, 7 * MIB])('after %i bytes goes on where it was, and becomes the whole piece', async bytes => {
    await leaveAt(bytes, UPLOAD_ID)
    let resumedAtBytes = -1
    const answer = await client.upload(provider.addresses, 1, BYTES, {
      uploadId: UPLOAD_ID,
      onProgress: taken => {
        if (resumedAtBytes === -1) resumedAtBytes = taken
      }
    })
    expect(resumedAtBytes).toBeGreaterThanOrEqual(bytes)
    expect(answer).toMatchObject({ kind: 'answer', value: { rawSize: BYTES.length } })
    if (answer.kind === 'answer') expect(answer.value.cid.toString()).toBe(pieceCidOf(BYTES))
    expect(await readdir(join(provider.directory, 'incoming'))).toEqual([])
  })

  it('begins anew when its client did not say which it is', async () => {
    await leaveAt(3 * MIB, undefined)
    const offsets: number[] = []
    await client.upload(provider.addresses, 1, BYTES, { onProgress: taken => offsets.push(taken) })
    expect(offsets[0]).toBe(0)
  })

  it('is answered at once when only the answer was lost', async () => {
    const first = await client.upload(provider.addresses, 1, BYTES, { uploadId: UPLOAD_ID })
    const offsets: number[] = []
    const second = await client.upload(provider.addresses, 1, BYTES, {
      uploadId: UPLOAD_ID,
      onProgress: taken => offsets.push(taken)
    })
    expect(second).toEqual(first)
    expect(offsets[0]).toBe(BYTES.length)
  })

  it('with other bytes behind it is another piece, and never the one that was meant', async () => {
    await leaveAt(3 * MIB, UPLOAD_ID)
    const others = Buffer.concat([randomBytes(2, 3 * MIB), BYTES.subarray(3 * MIB)])
    const answer = await client.upload(provider.addresses, 1, others, { uploadId: UPLOAD_ID })
    if (answer.kind !== 'answer') throw new Error(answer.kind)
    expect(answer.value.cid.toString()).not.toBe(pieceCidOf(others))
    expect(await provider.store.check(answer.value.cid)).toEqual({ ok: true })
  })

  it('goes on while the provider still waits for the stream that is dead', async () => {
    const stalled = Promise.withResolvers<void>()
    const first = upload(
      client.node.libp2p,
      provider.addresses,
      storePiece,
      { dealId: 1, sizeBytes: BYTES.length, uploadId: UPLOAD_ID },
      async function* () {
        yield BYTES.subarray(0, 2 * MIB)
        await stalled.promise
      },
      client.options
    )
    await expect.poll(() => provider.store.leases()).toHaveLength(1)
    await expect.poll(() => provider.store.usage().unwrittenBytes).toBeLessThan(BYTES.length - MIB)
    const answer = await client.upload(provider.addresses, 1, BYTES, { uploadId: UPLOAD_ID })
    expect(answer).toMatchObject({ kind: 'answer' })
    stalled.resolve()
    expect(await first).toMatchObject({ kind: expect.stringMatching(/refused|no-answer/) })
  })
})

describe('transfers', () => {
  it('that are too many are refused before they cost anything', async () => {
    const limited = createTransferBudget({ bytesMax: 3 * MIB })
    const { path } = life.use(await temporaryDirectory())
    await provider.stopServing()
    const busy = life.use(await openTestProvider(path, network, { budget: limited, name: 'provider one' }))
    const held = limited.take('somebody', 1e9, () => undefined)
    expect(await client.upload(busy.addresses, 1, BYTES)).toMatchObject({ kind: 'refused', code: 'BUSY' })
    if (held.ok) held.giveBack()
    expect(await client.upload(busy.addresses, 1, BYTES)).toMatchObject({ kind: 'answer' })
  })
})

it('more than a client’s money would keep is not leased to it', async () => {
  await network.take(network.dealOrder(PROVIDER, { pricePerLeafRound: 10n ** 18n }))
  expect(await client.upload(provider.addresses, 2, BYTES)).toMatchObject({ kind: 'refused', code: 'NOT_FUNDED' })
  expect(provider.store.usage()).toMatchObject({ usedBytes: 0, reservedBytes: 0 })
})
