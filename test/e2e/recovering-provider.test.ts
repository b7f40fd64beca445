/** What is made good in time: a flipped bit of a public piece, one of a private piece, and the rounds of an outage. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { DealResult } from '@holdfast/core'
import { dataDirectoryPaths } from '@holdfast/peer'
import type { PutResult } from '@holdfast/peer/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runHoldfast } from './holdfast-run.ts'
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
let publicObject: PutResult
let privateObject: PutResult
beforeAll(async () => {
  net = await startTestDevnet({ providers: REPLICAS, roundMs: TEST_ROUND_MS, auditDays: AUDIT_DAYS })
  const options = { replicas: REPLICAS, list: false }
  publicObject = await net.client.put(await writeSampleTree(net.directory), { ...options, encrypt: false })
  privateObject = await net.client.put(await writeSampleTree(net.directory, 'private'), options)
})
afterAll(() => net?.[Symbol.asyncDispose]())

test('a flipped byte is healed before a round faults', { timeout: 90_000 }, async () => {
  const { devnet, ledger, nextEvent, nextRound } = net
  const [damaged, other] = publicObject.replicas
  const peer = devnet.providers.find(({ address }) => address === damaged!.provider)!
  const results: DealResult[] = []
  const end = ledger.subscribe(({ events }) => {
    for (const event of events) if (event.kind === 'roundClosed') results.push(...event.results)
  })
  const { piecesDirectory } = dataDirectoryPaths(peer.directory)
  const name = ledger.state.deals.get(damaged!.dealId)!.pieces[0]!.cid.toString()
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

test('a flipped byte of a private piece is made good by `holdfast repair`, and costs no collateral', {
  timeout: 120_000
}, async () => {
  const { client, devnet, directory, ledger, nextEvent, nextRound } = net
  const { replicas, reference } = privateObject
  const [{ provider, dealId }, other] = [replicas[0]!, replicas[1]!]
  const peer = devnet.providers.find(({ address }) => address === provider)!
  const deal = () => ledger.state.deals.get(dealId)!
  if (deal().collateral === 0n)
    await nextRound((_, closed) => closed.some(result => result.dealId === dealId && isPaid(result)))
  const { collateral } = deal()
  expect(collateral).toBeGreaterThan(0n)
  const piece = deal().pieces.at(-1)!.cid.toString()
  await using file = await open(join(dataDirectoryPaths(peer.directory).piecesDirectory, piece), 'r+')
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, OFFSET)
  const isOfPiece = (kind: string) => nextEvent(peer, event => event.kind === kind && event.piece === piece)
  const asked = isOfPiece('cannotHeal')
  await file.write(Buffer.of(buffer[0]! ^ 1), 0, 1, OFFSET)
  await asked
  expect((await client.status(reference)).problems).toContainEqual(
    expect.objectContaining({ dealId, whatToDo: expect.stringContaining('`holdfast repair`') })
  )

  const whole = isOfPiece('whole')
  const { networkFile, clientKeyFile } = devnet
  const options = ['--network', networkFile, '--key', clientKeyFile, '--state', join(directory, 'repairer'), '--json']
  await using run = runHoldfast(['repair', reference, ...options], { temporaryDirectory: directory })
  expect(await run.event('repaired')).toMatchObject({ piece, dealId, provider, from: other.provider })
  expect(await run.ended).toMatchObject({ code: 0 })
  await whole
  await using mended = await open(join(dataDirectoryPaths(peer.directory).piecesDirectory, piece))
  expect((await mended.read(Buffer.alloc(1), 0, 1, OFFSET)).buffer).toEqual(buffer)
  await nextRound((_, closed) => closed.some(result => result.dealId === dealId && isPaid(result)))
  expect(deal()).toMatchObject({ status: 'active', docket: [], repairBudget: 0n })
  expect(deal().collateral).toBeGreaterThanOrEqual(collateral)
})

test('a provider that was away for some rounds owes nothing soon, and loses no collateral', {
  timeout: 120_000
}, async () => {
  const { devnet, ledger, nextRound } = net
  const { provider, dealId } = privateObject.replicas[0]!
  const peer = devnet.providers.find(({ address }) => address === provider)!
  const isOf = (result: DealResult) => result.dealId === dealId
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
