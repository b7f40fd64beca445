import type { StoreEvent } from '@holdfast/core'
import { expect, it } from 'vitest'
import { openProgressBars } from '../../src/cli/progress-bars.ts'
import { captureOutput } from './captured-output.ts'

const [A, B] = ['0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'] as const
const MIB = 1024 * 1024

function* storing(provider: typeof A | typeof B, sizeBytes: number, stepBytes: number): Generator<StoreEvent> {
  yield { kind: 'storing', provider, sizeBytes, why: 'asks least' }
  for (let storedBytes = 0; storedBytes < sizeBytes; storedBytes += stepBytes)
    yield { kind: 'progress', provider, storedBytes, sizeBytes }
  yield { kind: 'progress', provider, storedBytes: sizeBytes, sizeBytes }
}

it('without a terminal there is a line for each quarter, and for how it ended', () => {
  using output = captureOutput(process.stdout)
  {
    using bars = openProgressBars(false, provider => (provider === A ? 'provider-1' : 'provider-2'))
    for (const event of storing(A, 8 * MIB, MIB)) bars.report(event)
    for (const event of storing(B, 10, 10)) bars.report(event)
    bars.report({ kind: 'stored', provider: A, dealId: 3 })
    bars.report({ kind: 'failed', provider: B, reason: 'full\u001b[2J' })
  }
  expect(output.text.split('\n')).toEqual([
    '  provider-1  25% of 8.0 MiB',
    '  provider-1  50% of 8.0 MiB',
    '  provider-1  75% of 8.0 MiB',
    '  provider-1  100% of 8.0 MiB',
    '  provider-2  100% of 10 B',
    '  provider-1  on disk, countersigned, deal 3',
    '  provider-2  failed: full\\u001b[2J',
    ''
  ])
})

it('a script sees life every 16 MiB, the end, and nothing of chunks', () => {
  using output = captureOutput(process.stdout)
  {
    using bars = openProgressBars(true)
    for (const event of storing(A, 40 * MIB, MIB)) bars.report(event)
    bars.report({ kind: 'stored', provider: A, dealId: 3 })
    bars.report({ kind: 'failed', provider: B, reason: 'full' })
  }
  const events = output.text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
  expect(events.map(({ event, storedBytes }) => [event, storedBytes])).toEqual([
    ['storing', undefined],
    ['progress', 0],
    ['progress', 16 * MIB],
    ['progress', 32 * MIB],
    ['progress', 40 * MIB],
    ['replicaStored', undefined],
    ['replicaFailed', undefined]
  ])
  expect(events.at(-2)).toEqual({ event: 'replicaStored', provider: A, dealId: 3 })
})
