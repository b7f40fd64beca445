import { createObservationBook, createVerificationHistory, type Observation, rootOfLabel } from '@holdfast/core'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { LABEL, PROVIDER, STRANGER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { showReports } from '../../src/cli/reports-command.ts'
import { showVerified } from '../../src/cli/verified-command.ts'
import { createApi } from '../../src/http/api.ts'
import { createProviderMetrics, PROVIDERS_IN_METRICS_MAX } from '../../src/http/provider-metrics.ts'
import type { DaemonFacts } from '../../src/http/routes/daemon-facts.ts'
import { reportRoutes, reportsShape, verifiedShape } from '../../src/http/routes/report-routes.ts'
import { readVerifications } from '../../src/ledger/verifications.ts'

const ROOT = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
const TOKEN = 'ab'.repeat(32)

const read = (outcome: 'read' | 'failed', timeMs: number): Observation => ({
  kind: 'read',
  provider: PROVIDER.address,
  dealId: 1,
  round: 2,
  timeMs,
  outcome,
  bytes: outcome === 'read' ? 2_000_000 : 0,
  ...(outcome === 'read' ? { firstByteMs: 12, transferMs: 100 } : { reason: '\u001b[31mno' })
})

/** A daemon with one deal, proved once, and what a verifier saw of its provider. */
async function openDaemon({ isVerifier = true } = {}) {
  const network = new TestNetwork()
  const { deal, pieces } = await network.openDealWithPieces()
  await network.openRounds(2)
  await network.take(await network.selfProof(deal, PROVIDER, pieces))
  await network.openRound()
  const book = createObservationBook()
  for (const [index, outcome] of (['read', 'read', 'failed'] as const).entries()) book.add(read(outcome, index))
  const verifications = readVerifications(network.ledger, async onEntry => {
    for (const applied of network.applied) onEntry(applied, network.state)
  })
  const facts = {
    ledger: network.ledger,
    verifier: isVerifier ? { observations: book } : undefined,
    nowMs: () => network.clock.now(),
    verifications: (signal?: AbortSignal) => verifications.history(signal)
  } as unknown as DaemonFacts
  const app = createApi({
    routes: reportRoutes(facts),
    token: TOKEN,
    version: '1',
    metrics: async () => ({ text: '', contentType: 'text/plain' }),
    onError: error => {
      throw error
    }
  })
  async function ask(path: string, body?: unknown) {
    const text = JSON.stringify(body)
    const answer = await app.request(path, {
      headers: {
        Authorization: `Bearer ${TOKEN}`,
        Host: '127.0.0.1',
        ...(body !== undefined && { 'Content-Type': 'application/json', 'Content-Length': `${text.length}` })
      },
      ...(body !== undefined && { method: 'POST', body: text })
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  return { network, ask, book }
}

describe('reports on the API', () => {
  it('say what the ledger and this verifier know of each provider', async () => {
    const { ask } = await openDaemon()
    const { status, body } = await ask('/v1/reports')
    expect(status).toBe(200)
    const answer = reportsShape.answer.parse(body)
    expect(answer).toMatchObject({
      confidence: 0.95,
      looks: true,
      reports: [
        {
          provider: PROVIDER.address,
          proving: { good: 1, trials: 1, lowerBound: expect.closeTo(0.05, 10) },
          retrieval: { good: 2, trials: 3 },
          firstByteMs: { p50: 12, count: 2 }
        }
      ]
    })
    expect(showReports(answer)).toMatch(/13\.53 % \(2\/3\)/)
    const one = showReports(answer, PROVIDER.address)
    expect(one).toContain(PROVIDER.address)
    expect(one).not.toContain('\u001b[31m')
  })

  it('are of one provider where one is named, and empty of a stranger', async () => {
    const { ask } = await openDaemon()
    expect((await ask(`/v1/reports?provider=${PROVIDER.address}`)).body.reports).toHaveLength(1)
    const nobody = await ask(`/v1/reports?provider=${STRANGER.address}`)
    expect(nobody.body.reports).toEqual([])
    expect(showReports(reportsShape.answer.parse(nobody.body), STRANGER.address)).toContain('Nothing is known')
    expect((await ask('/v1/reports?provider=somebody')).status).toBe(400)
  })

  it('are described for other programs', async () => {
    const { ask } = await openDaemon()
    const { paths } = (await ask('/openapi.json')).body as { paths: Record<string, Record<string, unknown>> }
    expect(paths['/v1/reports']!.get).toMatchObject({
      parameters: [{ name: 'provider', in: 'query', required: false }]
    })
    expect(paths['/v1/verified']!.post).toMatchObject({ requestBody: { required: true } })
  })

  it('are of the ledger alone where no verifier runs', async () => {
    const { ask } = await openDaemon({ isVerifier: false })
    const answer = reportsShape.answer.parse((await ask('/v1/reports')).body)
    expect(answer).toMatchObject({ looks: false, reports: [{ retrieval: { trials: 0 }, proving: { trials: 1 } }] })
    expect(showReports(answer)).toContain('This peer is no verifier')
  })
})

describe('verifications on the API', () => {
  it('say when, by whom and how each replica was verified, also of rounds before the first question', async () => {
    const { network, ask } = await openDaemon()
    const name = rootOfLabel(LABEL)!.toString()
    const first = verifiedShape.answer.parse((await ask('/v1/verified', { name })).body)
    expect(first).toMatchObject({
      root: name,
      isVerified: true,
      replicas: [{ dealId: 1, lastVerified: { round: 2, how: { kind: 'self-proof', drawn: false } } }]
    })
    expect(showVerified(first)).toMatch(/round 2, .*proved to the ledger by itself/)
    await network.openRound() // nobody proves it
    const second = verifiedShape.answer.parse((await ask('/v1/verified', { name })).body)
    expect(second).toMatchObject({ isVerified: false, replicas: [{ why: expect.stringContaining('owes') }] })
    expect(showVerified(second)).toContain('not verified: 0 of 1')
  })

  it('refuse what names no object, and find nothing of one that nobody stores', async () => {
    const { ask } = await openDaemon()
    expect((await ask('/v1/verified', { name: 'my holiday' })).body).toMatchObject({ code: 'CID_INVALID' })
    const nothing = verifiedShape.answer.parse((await ask('/v1/verified', { name: ROOT })).body)
    expect(nothing).toMatchObject({ isVerified: false, replicas: [] })
    expect(showVerified(nothing)).toContain('nobody is paid to store it')
  })
})

describe('metrics of providers', () => {
  it('tell bounds, samples and times, of a bounded number of providers', async () => {
    const { network, book } = await openDaemon()
    for (let index = 0; index < 2 * PROVIDERS_IN_METRICS_MAX; index += 1)
      book.add({ ...read('read', 10), provider: `0x${index.toString(16).padStart(40, '0')}` })
    const registry = new Registry()
    createProviderMetrics(registry, network.state, book)()
    const text = await registry.metrics()
    expect(text).toContain(`holdfast_provider_share_trials{provider="${PROVIDER.address}",of="retrieval"} 3`)
    expect(text).toContain(`holdfast_provider_samples{provider="${PROVIDER.address}",kind="read",outcome="failed"} 1`)
    expect(text).toContain(`holdfast_provider_first_byte_seconds{provider="${PROVIDER.address}",quantile="0.5"} 0.012`)
    expect(text).toContain(`holdfast_providers_known ${2 * PROVIDERS_IN_METRICS_MAX + 1}`)
    expect(new Set(text.match(/provider="0x[0-9a-f]+"/g)).size).toBe(PROVIDERS_IN_METRICS_MAX)
  })
})

describe('the log’s past', () => {
  it('is read once, and again after a failure; entries that came meanwhile count once', async () => {
    const network = new TestNetwork()
    const { deal, pieces } = await network.openDealWithPieces()
    await network.openRounds(2)
    let reads = 0
    using verifications = readVerifications(network.ledger, async onEntry => {
      reads += 1
      if (reads === 1) throw new Error('disk')
      const past = [...network.applied]
      await network.take(await network.selfProof(deal, PROVIDER, pieces))
      await network.openRound()
      for (const applied of past) onEntry(applied, network.state)
    })
    await expect(verifications.history()).rejects.toThrow('disk')
    const history = await verifications.history()
    expect(history.of(deal.id).lastVerified?.round).toBe(2)
    await verifications.history()
    expect(reads).toBe(2)
    expect(createVerificationHistory().of(1).lastVerified).toBeUndefined()
  })
})
