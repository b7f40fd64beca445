import type { AppliedListener, DealResult, Ledger } from '@holdfast/core'
import { beforeEach, expect, it } from 'vitest'
import { TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { countListeners } from '../../../core/test/protocols/network.ts'
import { nextRoundThat } from '../../src/devnet/watch-rounds.ts'

let network: TestNetwork
let listeners: number
let ledger: Ledger
beforeEach(async () => {
  network = new TestNetwork()
  await network.openDealWithPieces()
  await network.openRounds(3)
  listeners = 0
  ledger = {
    ...network.ledger,
    subscribe(listener: AppliedListener) {
      listeners += 1
      const end = network.ledger.subscribe(listener)
      return () => {
        listeners -= 1
        end()
      }
    }
  }
})

/** Long enough that no test sees the end of its twenty. */
const ROUND_MS = 60_000
const isFault = (results: readonly DealResult[]) => results.some(({ outcome }) => outcome.kind === 'fault')

it('resolves with the first round that passes, and lets go', async () => {
  const aborting = new AbortController()
  const left = countListeners(aborting.signal)
  const seen: number[] = []
  const watching = nextRoundThat(
    { ledger, roundMs: ROUND_MS, signal: aborting.signal },
    'is a fault twice',
    results => {
      seen.push(network.state.round)
      return seen.length === 2 && isFault(results)
    }
  )
  expect(listeners).toBe(1)
  await network.openRounds(2)
  expect(await watching).toMatchObject([{ dealId: 1, outcome: { kind: 'fault' } }])
  expect(seen).toHaveLength(2)
  expect(listeners).toBe(0)
  expect(left()).toBe(0)
})

it('says what did not come after twenty rounds, also when the ledger stands still', async () => {
  const { signal } = new AbortController()
  await expect(nextRoundThat({ ledger, roundMs: 1, signal }, 'shows a miracle', () => true)).rejects.toMatchObject({
    code: 'NOT_SHOWN',
    message: expect.stringContaining('no round shows a miracle')
  })
  expect(listeners).toBe(0)
})

it('ends with its signal, before and in the middle', async () => {
  const aborting = new AbortController()
  const left = countListeners(aborting.signal)
  const watch = () => nextRoundThat({ ledger, roundMs: ROUND_MS, signal: aborting.signal }, 'passes', () => false)
  const watching = watch()
  aborting.abort(new Error('enough'))
  await expect(watching).rejects.toThrow('enough')
  await expect(watch()).rejects.toThrow('enough')
  expect(listeners).toBe(0)
  expect(left()).toBe(0)
})

it('a question that throws is the asker’s failure, and the ledger’s other listeners hear on', async () => {
  const { signal } = new AbortController()
  const watching = nextRoundThat({ ledger, roundMs: ROUND_MS, signal }, 'passes', () => {
    throw new Error('a bug of ours')
  })
  watching.catch(() => undefined)
  await network.openRound()
  await expect(watching).rejects.toThrow('a bug of ours')
  expect(listeners).toBe(0)
})
