/** Providers lose data while they run: a piece whose size is right and whose bytes are not, and one that is gone. */
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { attestedVerdictOf, roundEvidenceOf } from '@holdfast/core'
import { dataDirectoryPaths } from '@holdfast/peer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DevnetPeer } from '../../packages/peer/dist/devnet/devnet.js'
import { writeSampleTree } from './sample-tree.ts'
import { isPaid, startTestDevnet, TEST_ROUND_MS, type TestDevnet } from './test-devnet.ts'

const REPLICAS = 3

describe('a piece that is overwritten with zeros, or deleted,', () => {
  let net: TestDevnet
  beforeAll(async () => {
    net = await startTestDevnet({ providers: REPLICAS, roundMs: TEST_ROUND_MS })
  })
  afterAll(() => net?.[Symbol.asyncDispose]())

  async function piecePaths({ directory }: DevnetPeer): Promise<string[]> {
    const { piecesDirectory } = dataDirectoryPaths(directory)
    const names = (await readdir(piecesDirectory)).filter(name => /^bafkz[a-z2-7]+$/.test(name))
    return names.map(name => join(piecesDirectory, name))
  }

  async function zeroPieces(peer: DevnetPeer): Promise<void> {
    const paths = await piecePaths(peer)
    expect(paths).toHaveLength(1)
    for (const path of paths) await writeFile(path, new Uint8Array((await stat(path)).size), { flag: 'r+' })
  }

  /** What the verifiers said of a deal in a round that has closed. */
  function verdictsOn(round: number, dealId: number): string[] {
    const { state } = net.ledger
    const evidence = roundEvidenceOf(state, round, dealId)!
    return evidence.verifiers.map(verifier => attestedVerdictOf(state, evidence, verifier)?.verdict ?? 'silent')
  }

  test('is a fault with the reason in the next round, and its provider is told', { timeout: 90_000 }, async () => {
    const { client, devnet, directory, ledger, nextEvent, nextRound } = net
    const { replicas } = await client.put(await writeSampleTree(directory), { replicas: REPLICAS, list: false })
    await nextRound((_, results) => results.length === REPLICAS && results.every(isPaid))
    const { provider, dealId } = replicas[0]!
    const peer = devnet.providers.find(({ address }) => address === provider)!
    const judged = nextEvent(peer, ({ event, kind, answer }) => {
      const { results = [] } = ((answer as { value?: unknown })?.value ?? {}) as { results?: { verdict: string }[] }
      return event === 'prover' && kind === 'pushed' && results.some(({ verdict }) => verdict === 'bad proof')
    })
    const refused = nextEvent(
      peer,
      ({ event, kind, refusal }) => event === 'prover' && kind === 'provedToLedger' && refusal !== undefined
    )
    await zeroPieces(peer)

    // The round that is open now may have been proved before; the next one cannot be.
    const openRound = ledger.state.round
    const results = await nextRound(round => round === openRound + 1)
    expect(results).toHaveLength(REPLICAS)
    const damaged = results.find(result => result.dealId === dealId)!
    expect(damaged).toMatchObject({ outcome: { kind: 'fault', reason: 'bad proof' }, paid: 0n, withheld: 0n })
    expect(damaged.docketLeaves).toBeGreaterThan(0)
    expect(results.filter(result => result.dealId !== dealId).every(isPaid)).toBe(true)

    expect(await judged).toMatchObject({
      answer: { value: { results: [{ dealId, verdict: 'bad proof', reason: expect.stringMatching(/./) }] } }
    })
    expect(await refused).toMatchObject({ dealId, refusal: expect.stringMatching(/./) })
  })

  test('is attested by nobody, owes what was asked for, and is paid again when it is back; else it costs the collateral', {
    timeout: 300_000
  }, async () => {
    const { client, devnet, directory, ledger, nextRound } = net
    const { replicas } = await client.put(await writeSampleTree(directory, 'private'), {
      replicas: 1,
      list: false
    })
    const { provider, dealId } = replicas[0]!
    const resultOf = (results: readonly { dealId: number }[]) => results.find(result => result.dealId === dealId)
    const peer = devnet.providers.find(({ address }) => address === provider)!
    await nextRound((_, results) => results.some(result => result.dealId === dealId && isPaid(result)))
    const before = await piecePaths(peer)
    const gone = ledger.state.deals
      .get(dealId)!
      .pieces.map(({ cid }) => before.find(path => path.endsWith(cid.toString()))!)
    for (const path of gone) await rename(path, `${path}.taken`)

    const openRound = ledger.state.round
    const lost = resultOf(await nextRound(round => round === openRound + 1))
    expect(lost).toMatchObject({ outcome: { kind: 'fault', reason: 'no answer' }, paid: 0n })
    expect(verdictsOn(openRound + 1, dealId)).toEqual(['no answer'])
    const deal = ledger.state.deals.get(dealId)!
    expect(deal.docket.length).toBeGreaterThan(0)
    const { collateral } = deal
    expect(collateral).toBeGreaterThan(0n)

    for (const path of gone) await rename(`${path}.taken`, path)
    await nextRound((_, results) => results.some(result => result.dealId === dealId && isPaid(result)))
    expect(ledger.state.deals.get(dealId)).toMatchObject({ status: 'active', docket: [] })
    if (process.env.HOLDFAST_LONG !== '1') return

    for (const path of gone) await rm(path)
    await nextRound(() => ledger.state.deals.get(dealId)!.status === 'failed')
    const failed = ledger.state.deals.get(dealId)!
    expect(failed).toMatchObject({ status: 'failed', collateral: 0n, escrow: 0n })
    expect(failed.repairBudget).toBeGreaterThanOrEqual(collateral)
  })
})
