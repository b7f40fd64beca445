/** A provider's piece rots while it runs: the size is right, the bytes are not. */
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dataDirectoryPaths } from '@holdfast/peer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DevnetPeer } from '../../packages/peer/dist/devnet/devnet.js'
import { writeSampleTree } from './sample-tree.ts'
import { isPaid, startTestDevnet, TEST_ROUND_MS, type TestDevnet } from './test-devnet.ts'

const REPLICAS = 3

describe('a piece that is overwritten with zeros', () => {
  let net: TestDevnet
  beforeAll(async () => {
    net = await startTestDevnet({ providers: REPLICAS, roundMs: TEST_ROUND_MS })
  }, 60_000)
  afterAll(() => net?.[Symbol.asyncDispose]())

  async function zeroPieces({ directory }: DevnetPeer): Promise<void> {
    const { piecesDirectory } = dataDirectoryPaths(directory)
    const names = (await readdir(piecesDirectory)).filter(name => /^bafkz[a-z2-7]+$/.test(name))
    expect(names).toHaveLength(1)
    for (const name of names) {
      const path = join(piecesDirectory, name)
      await writeFile(path, new Uint8Array((await stat(path)).size), { flag: 'r+' })
    }
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
})
