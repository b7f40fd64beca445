import { portableNodeHasher } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import type { Observation } from '../../src/observations/observation.ts'
import { createObserver, type ObserverRates } from '../../src/observations/observer.ts'
import { CLIENT, TestNetwork } from '../ledger/network-fixture.ts'
import { settled } from '../virtual-clock.ts'

const HOUR_MS = 3_600_000
const MIB = 1024 * 1024
const RATES: ObserverRates = { readsPerHour: 60, bindingChecksPerHour: 6, bytesPerHour: 1024 * MIB }

/** A verifier that looks at a provider which nobody reaches, on a clock that moves by hand. */
async function openObserver(
  { roundMs = 1000 * HOUR_MS, ...rates }: Partial<ObserverRates> & { readonly roundMs?: number },
  dialProtocol = async () => Promise.reject(new Error('down'))
) {
  const network = new TestNetwork()
  await network.openDealWithPieces()
  await network.openRounds(2)
  const observations: Observation[] = []
  const errors: unknown[] = []
  const sessions = { opened: 0, open: 0 }
  let drawn = 0
  const observer = createObserver({
    ledger: { state: { ...network.state, parameters: { ...network.parameters, roundMs } } },
    self: CLIENT.address,
    clock: network.clock,
    random: () => sha256(Uint8Array.of(drawn++, drawn >> 8)),
    nodeHasher: portableNodeHasher,
    rates: { ...RATES, ...rates },
    async openSession() {
      sessions.opened += 1
      sessions.open += 1
      return {
        node: { dialProtocol },
        http: undefined,
        async [Symbol.asyncDispose]() {
          sessions.open -= 1
        }
      }
    },
    onObservation: observation => void observations.push(observation),
    onError: error => errors.push(error)
  })
  observer.start()
  const startMs = network.clock.now()
  return {
    network,
    observer,
    observations,
    errors,
    sessions,
    after: (ms: number) => network.clock.advanceTo(startMs + ms)
  }
}

describe('an observer', () => {
  it('looks about as often as it was told, each time over a connection of its own', async () => {
    await using opened = await disposable({})
    const { observations, errors, sessions, network, after } = opened
    await after(4 * HOUR_MS)
    const reads = observations.filter(({ kind }) => kind === 'read')
    const checks = observations.filter(({ kind }) => kind === 'binding')
    // Within four standard deviations of 240 and of 24.
    expect(Math.abs(reads.length - 240)).toBeLessThan(62)
    expect(Math.abs(checks.length - 24)).toBeLessThan(20)
    expect(sessions).toEqual({ opened: observations.length, open: 0 })
    expect(errors).toEqual([])
    expect(reads[0]).toMatchObject({ outcome: 'failed', bytes: 0, dealId: 1, round: network.state.round })
    expect(checks[0]).toMatchObject({ outcome: 'no answer' })
  })

  it('does nothing at a rate of nothing, and nothing after it was stopped', async () => {
    await using none = await disposable({ readsPerHour: 0, bindingChecksPerHour: 0 })
    await none.after(HOUR_MS)
    expect(none.observations).toEqual([])
    await using stopped = await disposable({})
    await stopped.observer.stop()
    await stopped.observer.stop()
    await stopped.after(HOUR_MS)
    expect(stopped.observations).toEqual([])
    expect(stopped.network.clock.sleeping).toBe(0)
  })

  it('gives up on a look that takes for ever, and says that it did', async () => {
    // A dial that nothing ends but its signal.
    const hangs = (...[, , options]: readonly unknown[]) =>
      new Promise<never>((_, reject) => {
        const { signal } = options as { readonly signal: AbortSignal }
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    await using opened = await disposable({ bindingChecksPerHour: 0 }, hangs)
    await opened.after(HOUR_MS)
    expect(opened.observations.length).toBeGreaterThan(0)
    expect(opened.observations[0]).toMatchObject({ outcome: 'failed' })
  })

  it('looks at nobody while its own ledger is behind, because then it is its own network that is gone', async () => {
    await using behind = await disposable({ roundMs: HOUR_MS / 60 })
    await behind.after(60_000)
    const before = behind.sessions.opened
    await behind.after(4 * HOUR_MS)
    expect(behind.sessions.opened).toBeLessThanOrEqual(before + 4)
  })

  it('reads nothing while its budget has less than a read takes', async () => {
    await using poor = await disposable({ bytesPerHour: 200_000, bindingChecksPerHour: 0 })
    await poor.after(2 * HOUR_MS)
    expect(poor.sessions.opened).toBe(0)
  })
})

async function disposable(rates: Parameters<typeof openObserver>[0], dial?: Parameters<typeof openObserver>[1]) {
  const opened = await openObserver(rates, dial)
  return {
    ...opened,
    async [Symbol.asyncDispose]() {
      await opened.observer.stop()
      await settled()
    }
  }
}
