import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { pieceOf } from '../../../core/test/ledger/memory-pieces.ts'
import { CLIENT, PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { type ExplainedBytes, explainBytes } from '../../src/provider/explain-bytes.ts'
import { createPieceKeeper } from '../../src/provider/keep-pieces.ts'
import { openTestStore, openWriter, storePiece, type TestStore } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

let life = new AsyncDisposableStack()
let network: TestNetwork
let opened: TestStore
beforeEach(async () => {
  const { path } = life.use(await temporaryDirectory())
  network = new TestNetwork()
  opened = life.use(await openTestStore(path, { clock: network.clock, leaseMs: 1e9 }))
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function diskUsage(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const sizes = entries.filter(entry => entry.isFile()).map(({ parentPath, name }) => stat(join(parentPath, name)))
  return (await Promise.all(sizes)).reduce((sum, { size }) => sum + size, 0)
}

/** What holds always: the files are explained, and the quota is used up by what is said of it. */
async function explain(): Promise<ExplainedBytes> {
  const explained = await explainBytes(opened.store, network.state, PROVIDER.address)
  const { pieces, layerBytes, incomingBytes, damagedBytes, otherBytes, diskBytes } = explained
  const pieceBytes = pieces.reduce((sum, { bytes }) => sum + bytes, 0)
  expect(diskBytes).toBe(await diskUsage(opened.directory))
  expect(pieceBytes + layerBytes + incomingBytes + damagedBytes + otherBytes).toBe(diskBytes)
  return explained
}

const statesOf = ({ pieces }: ExplainedBytes) =>
  pieces.map(piece => (piece.state === 'paid' ? 'paid' : piece.reason)).toSorted()

it('every byte is for something, from the first upload to the last removal', async () => {
  expect(await explain()).toMatchObject({ pieces: [], diskBytes: 0, freeBytes: opened.store.usage().capacityBytes })
  const [a, b, c] = [pieceOf('a', 20_000), pieceOf('b', 30_000), pieceOf('c', 5000)]
  const keeper = life.use(createPieceKeeper(network.ledger, opened.store, PROVIDER.address, () => undefined))
  await keeper.start()
  await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
  const deal = network.state.deals.get(1)!
  const dealId = String(deal.id)
  for (const { bytes } of [a, b]) await storePiece(opened.store, bytes, 5000, { dealId })
  await storePiece(opened.store, c.bytes)
  expect(statesOf(await explain())).toEqual(['no order yet', 'no order yet', 'nobody knows it'])

  const writer = await openWriter(opened.store, { sizeBytes: 9000, dealId, uploadId: '00'.repeat(16) })
  await writer.write(new Uint8Array(4000))
  const during = await explain()
  expect(during.reservedBytes).toBe(opened.store.usage().unwrittenBytes)
  expect(during.incomingBytes).toBeGreaterThanOrEqual(4000)
  await writer.suspend()
  expect((await explain()).reservedBytes).toBe(0)

  await network.take(network.piecesOrder(deal.id, [a, b]))
  await network.openRound()
  await keeper.start()
  await expect
    .poll(async () => statesOf(await explain()))
    .toEqual(['nobody knows it', 'not challenged yet', 'not challenged yet'])
  await network.openRound()
  expect(statesOf(await explain())).toEqual(['nobody knows it', 'paid', 'paid'])

  await network.take(network.removePieces(CLIENT, deal.id, [0]))
  expect(statesOf(await explain())).toEqual(['nobody knows it', 'paid', 'paid'])
  // Nobody proves the other one: its leaves are owed, and no round pays.
  await network.openRounds(2)
  await expect.poll(async () => statesOf(await explain())).toEqual(['nobody knows it', 'proofs are owed'])

  await writeFile(join(opened.directory, 'damaged', 'old'), 'x')
  await writeFile(join(opened.directory, 'notes.txt'), 'mine')
  expect(await explain()).toMatchObject({ damagedBytes: 1, otherBytes: 4 })
  while (network.state.deals.get(deal.id)!.status !== 'failed') await network.openRound()
  await keeper.stop()
  expect(statesOf(await explain())).toEqual(['deal failed', 'nobody knows it'])
  const { pieces } = await explain()
  expect(pieces.every(piece => piece.state === 'unpaid' && piece.untilMs! > network.clock.now())).toBe(true)
})
