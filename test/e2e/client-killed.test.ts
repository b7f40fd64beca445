/**
 * A client that is killed at any moment of a put, and started again: what it had begun is finished, under the same secret,
 * and nothing is left that nobody knows.
 *
 * HOLDFAST_LONG=1 kills it twenty times, HOLDFAST_SEED repeats a run.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findObjectDeals, parseReference } from '@holdfast/core'
import { compareTrees } from '@holdfast/peer'
import { createClient } from '@holdfast/peer/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDraw } from './draw.ts'
import { type HoldfastRun, runHoldfast } from './holdfast-run.ts'
import { STANDING_ROUND_MS, startTestDevnet, type TestDevnet } from './test-devnet.ts'

const REPLICAS = 2
const KILLS = process.env.HOLDFAST_LONG === undefined ? 3 : 20
const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000)
const SIZE_BYTES = 12 * 1024 * 1024

describe(`a client that is killed ${KILLS} times (HOLDFAST_SEED=${SEED})`, () => {
  let net: TestDevnet
  let temporary: string
  let state: string
  /** That a put takes which nobody kills. */
  let wholeMs = 0
  beforeAll(async () => {
    net = await startTestDevnet({ providers: REPLICAS + 1, roundMs: STANDING_ROUND_MS })
    temporary = join(net.directory, 'temporary')
    state = join(net.directory, 'state')
    await mkdir(temporary)
    const path = join(net.directory, 'unharmed')
    await writeFile(path, randomBytes(SIZE_BYTES))
    const begun = performance.now()
    await using run = startPut(path)
    expect((await run.ended).code).toBe(0)
    wholeMs = performance.now() - begun
    await net.client.remove(String((await run.event('stored')).reference))
  }, 120_000)
  afterAll(() => net?.[Symbol.asyncDispose]())

  function startPut(path: string, onEvent?: Parameters<typeof runHoldfast>[1]['onEvent']): HoldfastRun {
    const { networkFile, clientKeyFile } = net.devnet
    const said = ['put', path, '--replicas', String(REPLICAS), '--network', networkFile, '--key', clientKeyFile]
    return runHoldfast([...said, '--state', state, '--json'], {
      temporaryDirectory: temporary,
      ...(onEvent !== undefined && { onEvent })
    })
  }

  /** Kills a put when it has said so much: after packing, in an upload, between replicas, or at its end. */
  async function killAfter(path: string, events: number): Promise<string> {
    let seen = 0
    let what = 'its end'
    await using run = startPut(path, ({ event }) => {
      seen += 1
      if (seen < events) return
      what = event
      run.kill('SIGKILL')
    })
    await run.ended
    return what
  }

  /** Kills a put at a share of the time that one takes: also while it starts, packs or encrypts, and says nothing. */
  async function killAt(path: string, share: number): Promise<string> {
    await using run = startPut(path)
    const timer = setTimeout(() => run.kill('SIGKILL'), share * wholeMs)
    await run.ended
    clearTimeout(timer)
    return `${share.toFixed(2)} of the time, after ${run.events.at(-1)?.event ?? 'nothing'}`
  }

  test('finishes each put as what it had begun', { timeout: 60_000 * KILLS }, async () => {
    const draw = createDraw(SEED)
    const references: string[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      const path = join(net.directory, `file-${kill}`)
      await writeFile(path, randomBytes(SIZE_BYTES))
      const what = kill % 2 === 0 ? await killAt(path, draw()) : await killAfter(path, 1 + Math.floor(draw() * 10))
      await using again = startPut(path)
      const { code, stderr } = await again.ended
      expect({ code, stderr, what }).toEqual({ code: 0, stderr: '', what })
      const stored = await again.event('stored')
      expect(stored.replicas).toHaveLength(REPLICAS)
      references.push(String(stored.reference))
      expect(await readdir(join(state, 'staging')), `staged after a kill at ${what}`).toEqual([])
      expect(await readdir(temporary)).toEqual([])
      await using reader = await createClient({ network: net.devnet.network })
      const copy = join(net.directory, `copy-${kill}`)
      await reader.get(String(stored.reference), copy)
      expect(await compareTrees(path, copy)).toMatchObject({ equal: true })
    }
    expectEverythingKnown(references)
    const { objects } = await net.client.list()
    expect(objects.map(({ reference }) => reference).sort()).toEqual(references.sort())
  })

  /** Every piece that is paid for is one of an object that somebody knows, or of the list. */
  function expectEverythingKnown(references: readonly string[]): void {
    const known = new Set<string>()
    for (const text of references) {
      const verdict = parseReference(text)
      if (!verdict.ok) throw new Error(verdict.reason)
      const deals = findObjectDeals(net.ledger.state, verdict.reference, net.client.address)
      expect(deals).toHaveLength(REPLICAS)
      for (const { deal, pieces } of deals) for (const { id } of pieces) known.add(`${deal.id}/${id}`)
    }
    const unknown = [...net.ledger.state.deals.values()].flatMap(({ id: dealId, pieces }) =>
      pieces.filter(({ id, untilOpening, rawSize }) => {
        const isLarge = rawSize > SIZE_BYTES
        return isLarge && untilOpening === undefined && !known.has(`${dealId}/${id}`)
      })
    )
    expect(unknown).toEqual([])
  }
})
