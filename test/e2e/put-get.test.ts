/** `holdfast put` and `holdfast get` as a user runs them, against a devnet that runs already. */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkBlock, newestAskOf, type StoredReplica } from '@holdfast/core'
import { compareTrees, dataDirectoryPaths } from '@holdfast/peer'
import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HoldfastEnd, runHoldfast } from './holdfast-run.ts'
import { writeSampleTree } from './sample-tree.ts'
import { STANDING_ROUND_MS, startTestDevnet, type TestDevnet } from './test-devnet.ts'

const REPLICAS = 3
/** A CID that nobody stores. */
const UNKNOWN = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

describe('put and get', () => {
  let net: TestDevnet
  let temporary: string
  let tree: string
  let root: string
  let replicas: StoredReplica[]

  beforeAll(async () => {
    net = await startTestDevnet({ providers: REPLICAS, roundMs: STANDING_ROUND_MS })
    temporary = join(net.directory, 'temporary')
    await mkdir(temporary)
    tree = await writeSampleTree(net.directory)
  })
  afterAll(() => net?.[Symbol.asyncDispose]())

  async function run(
    ...commandArguments: string[]
  ): Promise<HoldfastEnd & { events: readonly Record<string, unknown>[] }> {
    await using process = runHoldfast(commandArguments, { temporaryDirectory: temporary })
    const end = await process.ended
    expect(await readdir(temporary)).toEqual([])
    return { ...end, events: process.events }
  }

  const put = (...more: string[]) =>
    run('put', tree, '--public', '--network', net.devnet.networkFile, '--key', net.devnet.clientKeyFile, ...more)
  const get = (cid: string, output: string, ...more: string[]) =>
    run('get', cid, output, '--network', net.devnet.networkFile, ...more)

  test('store a tree on three providers', async () => {
    const { code, stderr, events } = await put('--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const stored = events.at(-1) as { root: string; replicas: StoredReplica[] }
    expect(stored).toMatchObject({ event: 'stored', root: events[0]!.root })
    ;({ root, replicas } = stored)
    expect(new Set(replicas.map(({ provider }) => provider)).size).toBe(REPLICAS)
  })

  test('store it again without a second deal, a second upload or a second payment', async () => {
    await expect.poll(() => [...net.ledger.state.deals.values()].every(({ pieces }) => pieces.length > 0)).toBe(true)
    const before = { sequence: net.ledger.state.sequence, deals: net.ledger.state.deals.size }
    const { code, events } = await put('--json')
    expect(code).toBe(0)
    expect(events.at(-1)).toMatchObject({ event: 'stored', root })
    const again = events.at(-1)!.replicas as StoredReplica[]
    const byDeal = (a: StoredReplica, b: StoredReplica) => a.dealId - b.dealId
    expect(again.toSorted(byDeal)).toEqual(replicas.toSorted(byDeal))
    expect(events.filter(({ event }) => event === 'progress')).toEqual([])
    // A receipt of ours comes after everything that the put could have left on the ledger.
    expect({ sequence: net.ledger.state.sequence, deals: net.ledger.state.deals.size }).toEqual(before)
  })

  test('read it back, and say so in words', async () => {
    const output = join(net.directory, 'read')
    const { code, stdout, stderr } = await get(root, output)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(`5 files, 2.4 MiB, written to ${output}`)
    expect(await compareTrees(tree, output)).toMatchObject({ equal: true, files: 5 })
  })

  test('read it from gateways where that is allowed, as anybody can who speaks HTTP', async () => {
    const output = join(net.directory, 'read-plain-http')
    const { code, stderr } = await get(root, output, '--plain-http')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(await compareTrees(tree, output)).toMatchObject({ equal: true })
    for (const { provider } of replicas) {
      const { addresses } = newestAskOf(net.ledger.state, provider)!
      const [, port] = addresses
        .map(address => /\/tcp\/(\d+)\/http\/p2p\//.exec(address))
        .find(found => found !== null)!
      const response = await fetch(`http://127.0.0.1:${port}/ipfs/${root}?format=raw`)
      const block = new Uint8Array(await response.arrayBuffer())
      expect(await checkBlock(CID.parse(root), block)).toEqual({ ok: true })
    }
  })

  test('leave what is in the way alone', async () => {
    const output = join(net.directory, 'mine')
    await mkdir(output)
    await writeFile(join(output, 'precious'), 'mine')
    const { code, stdout, stderr } = await get(root, output)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(`${output} exists already; name a new or empty directory (TARGET_NOT_EMPTY)`)
    expect(await readdir(output)).toEqual(['precious'])
    expect((await readdir(net.directory)).filter(name => name.endsWith('.partial'))).toEqual([])
  })

  test('say that nobody stores a CID, and what is no CID', async () => {
    const output = join(net.directory, 'nothing')
    const unknown = await get(UNKNOWN, output)
    expect({ code: unknown.code, stdout: unknown.stdout }).toEqual({ code: 1, stdout: '' })
    expect(unknown.stderr).toMatch(new RegExp(`Nobody .* is paid to store ${UNKNOWN}\\. \\(NOT_STORED\\)`))
    const invalid = await get('bafynonsense', output, '--json')
    expect(invalid.code).toBe(2)
    expect(invalid.events).toEqual([expect.objectContaining({ event: 'failed', code: 'CID_INVALID' })])
    expect(await readdir(net.directory)).not.toContain('nothing')
  })

  test('leave a provider that lies for the next one', async () => {
    // The host names replicas without a fault in the order of their deals.
    const [first] = replicas.toSorted((a, b) => a.dealId - b.dealId)
    const liar = net.devnet.providers.find(({ address }) => address === first!.provider)!
    const { piecesDirectory } = dataDirectoryPaths(liar.directory)
    for (const name of (await readdir(piecesDirectory)).filter(name => /^bafkz[a-z2-7]+$/.test(name))) {
      const path = join(piecesDirectory, name)
      await writeFile(path, new Uint8Array((await stat(path)).size).fill(0x5a), { flag: 'r+' })
    }
    const output = join(net.directory, 'read-past-the-liar')
    const { code, events } = await get(root, output, '--json')
    expect(code).toBe(0)
    expect(events.map(({ event }) => event)).toEqual(['providerFailed', 'read'])
    expect(events[0]).toMatchObject({ provider: liar.address, reason: expect.stringMatching(/./) })
    expect(await compareTrees(tree, output)).toMatchObject({ equal: true, files: 5 })
  })
})
