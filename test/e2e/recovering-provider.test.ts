/** What a provider makes good by itself: a flipped bit of a public piece, and the rounds of an outage. */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { DealResult } from '@holdfast/core'
import { dataDirectoryPaths } from '@holdfast/peer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeSampleTree } from './sample-tree.ts'
import { isFault, isPaid, startTestDevnet, TEST_ROUND_MS, type TestDevnet } from './test-devnet.ts'

const REPLICAS = 2
/** Rounds that nobody proves: fewer than a leaf may be owed. */
const ROUNDS_AWAY = 3
/** In which everything is read once: some seconds. */
const AUDIT_DAYS = 0.00002
/** Of the byte that is flipped: somewhere in the middle. */
const OFFSET = 1_000_001

let net: TestDevnet
beforeAll(async () => {
  net = await startTestDevnet({ providers: REPLICAS, roundMs: TEST_ROUND_MS, auditDays: AUDIT_DAYS })
}, 60_000)
afterAll(() => net?.[Symbol.asyncDispose]())

test('a flipped byte is healed before a round faults', { timeout: 90_000 }, async () => {
  const { client, devnet, directory, ledger, nextEvent, nextRound } = net
  const stored = await client.put(await writeSampleTree(directory), {
    replicas: REPLICAS,
    encrypt: false,
    list: false
  })
  const [damaged, other] = stored.replicas
  const peer = devnet.providers.find(({ address }) => address === damaged!.provider)!
  const results: DealResult[] = []
  const end = ledger.subscribe(({ events }) => {
    for (const event of events) if (event.kind === 'roundClosed') results.push(...event.results)
  })
  const { piecesDirectory } = dataDirectoryPaths(peer.directory)
  const name = (await readdir(piecesDirectory)).find(file => /^bafkz[a-z2-7]+$/.test(file))!
  await using file = await open(join(piecesDirectory, name), 'r+')
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, OFFSET)
  const rotten = nextEvent(peer, ({ event, kind }) => event === 'audit' && kind === 'rot')
  const healed = nextEvent(peer, ({ event, kind }) => event === 'audit' && kind === 'healed')
  await file.write(Buffer.of(buffer[0]! ^ 1), 0, 1, OFFSET)
  expect(await rotten).toMatchObject({ piece: name, deals: [damaged!.dealId] })
  expect(await healed).toMatchObject({ piece: name, from: other!.provider })
  await using mended = await open(join(piecesDirectory, name))
  expect((await mended.read(Buffer.alloc(1), 0, 1, OFFSET)).buffer).toEqual(buffer)
  await nextRound((_, closed) => closed.some(result => result.dealId === damaged!.dealId && isPaid(result)))
  end()
  expect(results.filter(isFault)).toEqual([])
})

test('a provider that was away for some rounds owes nothing soon, and loses no collateral', {
  timeout: 120_000
}, async () => {
  const { client, devnet, directory, ledger, nextRound } = net
  const tree = await writeSampleTree(directory, 'private')
  const { replicas } = await client.put(tree, { replicas: REPLICAS, list: false })
  const { provider, dealId } = replicas[0]!
  const peer = devnet.providers.find(({ address }) => address === provider)!
  const isOf = (result: DealResult) => result.dealId === dealId
  await nextRound((_, closed) => closed.some(result => isOf(result) && isPaid(result)))
  await devnet.kill(peer)
  const deal = () => ledger.state.deals.get(dealId)!
  const { collateral } = deal()
  const faultedBefore = deal().rounds.faulted
  expect(ledger.state.parameters.proving.cureRounds).toBeGreaterThan(ROUNDS_AWAY + 2)
  await nextRound(() => deal().rounds.faulted >= faultedBefore + ROUNDS_AWAY)
  expect(deal().docket.length).toBeGreaterThan(0)
  await devnet.restart(peer)
  const back = await nextRound((_, closed) => closed.some(result => isOf(result) && isPaid(result)))
  expect(back.find(isOf)).toMatchObject({ docketLeaves: 0 })
  expect(deal()).toMatchObject({ status: 'active', docket: [], repairBudget: 0n })
  expect(deal().collateral).toBeGreaterThanOrEqual(collateral)
})
