/** What a verifier finds out beside proofs, with real processes: who does not hand out, and whose label is a lie. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address, StorableObject } from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { awaitAsks } from '../../packages/peer/dist/devnet/await-asks.js'
import type { DevnetPeer } from '../../packages/peer/dist/devnet/devnet.js'
import { connectToDaemon } from '../../packages/peer/dist/http/api-client.js'
import { reportsShape } from '../../packages/peer/dist/http/routes/report-routes.js'
import { runHoldfast } from './holdfast-run.ts'
import { type Liar, startLiar } from './start-liar.ts'
import { startTestDevnet, TEST_ROUND_MS, type TestDevnet } from './test-devnet.ts'

/** Of something that nobody stores. */
const LIE = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')

let net: TestDevnet
let verifier: DevnetPeer
let honest: Address
let liar: Liar
let root: CID

beforeAll(async () => {
  net = await startTestDevnet({ providers: 1, roundMs: TEST_ROUND_MS, looksPerHour: 3_600 })
  verifier = net.devnet.peers.find(({ role }) => role === 'verifier')!
  honest = net.devnet.providers[0]!.address
  // It takes pieces, and then neither hands them out nor proves them.
  liar = await startLiar(net)
  await awaitAsks(net.ledger, 2)
  const path = join(net.directory, 'file.bin')
  await writeFile(path, randomBytes(1_200_000))
  ;({ root } = await net.client.put(path, { encrypt: false, list: false, replicas: 2 }))
  await liar.behave('refuses reads')
  // A client that pays for pieces under a label that they have nothing to do with; its provider need not even know.
  await using packed = await net.client.pack(randomBytes(300_000), { encrypt: false })
  const lying: StorableObject = {
    ...packed,
    replica: index => packed.replica(index).map(piece => ({ ...piece, label: LIE.bytes }))
  }
  await net.client.store(lying, { replicas: 1, excluded: new Map([[liar.address, 'of the other test']]) })
}, 120_000)
afterAll(async () => {
  await liar?.[Symbol.asyncDispose]()
  await net?.[Symbol.asyncDispose]()
})

/** The reports of the verifier's daemon, once they say enough: asked again whenever a round has closed. */
async function awaitReports(isEnough: (of: (provider: Address) => Report | undefined) => boolean): Promise<Report[]> {
  const daemon = await connectToDaemon(verifier.directory)
  for (;;) {
    const { reports } = await daemon.call(reportsShape, {})
    if (isEnough(provider => reports.find(report => report.provider === provider))) return reports
    await net.nextRound()
  }
}
type Report = Awaited<ReturnType<typeof reportsOf>>[number]
async function reportsOf() {
  return (await (await connectToDaemon(verifier.directory)).call(reportsShape, {})).reports
}

async function run(...args: string[]) {
  const { code, stdout, stderr } = await runHoldfast([...args, '--json'], { temporaryDirectory: net.directory }).ended
  return { code, stderr, answer: JSON.parse(stdout === '' ? 'null' : stdout) }
}

describe('a verifier', () => {
  test('finds who does not show what it is paid for, and a label that the pieces do not bear out', async () => {
    const reports = await awaitReports(
      of =>
        (of(honest)?.retrieval.good ?? 0) > 0 &&
        (of(honest)?.binding.bound ?? 0) > 0 &&
        (of(honest)?.binding.notBound ?? 0) > 0 &&
        (of(liar.address)?.retrieval.trials ?? 0) > 0 &&
        (of(liar.address)?.binding.noAnswer ?? 0) > 0
    )
    const [good, bad] = [honest, liar.address].map(address => reports.find(({ provider }) => provider === address)!)
    expect(good!.firstByteMs!.p50).toBeGreaterThan(0)
    expect(good!.checks.badProof).toBe(0)
    expect(good!.binding.unboundDeals).toHaveLength(1)
    expect(bad!).toMatchObject({ retrieval: { good: 0, lowerBound: 0 }, binding: { bound: 0 } })
    expect(bad!.lastTrouble!.reason).not.toBe('')
    expect(bad!.rounds.proved).toBe(0)
    const one = await run('reports', honest, '--directory', verifier.directory)
    expect(one).toMatchObject({ code: 0, answer: { looks: true, reports: [{ provider: honest }] } })
    const text = await runHoldfast(['reports', '--directory', verifier.directory], {
      temporaryDirectory: net.directory
    }).ended
    expect(text).toMatchObject({ code: 0, stdout: expect.stringContaining('holds at least') })
    // What it saw is on its disk.
    expect(await readFile(join(verifier.directory, 'observations'), 'utf8')).toContain('"not bound"')
  }, 240_000)

  test('says of each replica when, by whom and how it was verified; so does a client without a daemon', async () => {
    const byDaemon = await run('verified', String(root), '--directory', verifier.directory)
    expect(byDaemon.code).toBe(byDaemon.answer.isVerified ? 0 : 3)
    const replicaOf = (provider: string) =>
      byDaemon.answer.replicas.find((replica: { provider: string }) => replica.provider === provider)
    // A busy verifier may come too late, and the beacon draws some rounds: then the provider proves to the ledger.
    const { how } = replicaOf(honest).lastVerified
    if (how.kind === 'attested') expect(how.verifiers).toEqual([verifier.address])
    else expect(how).toMatchObject({ kind: 'self-proof' })
    // Once it has owed its proofs for too long, its deal is no replica any more.
    const lost = replicaOf(liar.address)
    if (lost !== undefined) expect(lost).toMatchObject({ isVerified: false, why: expect.stringContaining('owes') })
    // Proofs alone say nothing about a label: this one is proved, and is not bound. A busy machine may miss a round first.
    for (;;) {
      const { code, answer } = await run('verified', String(LIE), '--network', net.devnet.networkFile)
      expect(answer).toMatchObject({ replicas: [{ provider: honest, dealId: expect.any(Number) }] })
      expect(code).toBe(answer.isVerified ? 0 : 3)
      if (code === 0) break
      await net.nextRound()
    }
    const nobody = await run('verified', 'bafkqaaa', '--network', net.devnet.networkFile)
    expect(nobody).toMatchObject({ code: 3, answer: { replicas: [] } })
  }, 120_000)

  test('tells its metrics of providers', async () => {
    const { address } = JSON.parse(await readFile(join(verifier.directory, 'api.json'), 'utf8')) as {
      address: { host: string; port: number }
    }
    const token = (await readFile(join(verifier.directory, 'api-token'), 'utf8')).trim()
    const answer = await fetch(`http://${address.host}:${address.port}/metrics`, {
      headers: { Authorization: `Bearer ${token}` }
    })
    expect(await answer.text()).toContain(`holdfast_provider_share_at_least{provider="${honest}",of="retrieval"`)
  })
})
