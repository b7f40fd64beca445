import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

interface Row {
  readonly row: string
  readonly unit: string
  readonly peer: string
  readonly value: number
  readonly peerValue: number
  readonly ratio: number
  readonly rssMiB: number
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const ROWS = ['durable-commands', 'attestations-in-batches', 'round-close']

it('npm run bench -- ledger measures a real host, and what a round’s end does to it', {
  timeout: 240_000
}, async () => {
  const named = ROWS.flatMap(row => ['--row', row])
  const commandArguments = ['bench/main.ts', 'ledger', '--quick', '--json', ...named]
  const { stdout } = await promisify(execFile)(process.execPath, commandArguments, { cwd: root, timeout: 220_000 })
  const rows = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Row)
  // The chain beside it is there only where `npm run bench` has installed it.
  const peers = rows.map(({ row, peer }) => `${row} ${peer}`).filter(name => !name.endsWith('anvil'))
  expect(peers).toEqual([
    'durable-commands signature-limit',
    'durable-commands-p50 wanted',
    'durable-commands-p99 wanted',
    'attestations-in-batches wanted',
    'round-close wanted',
    'round-close-apply wanted',
    'round-close-p99 wanted',
    'round-close-p99 before it',
    'round-close-rss wanted'
  ])
  for (const { unit, value, peerValue, ratio, rssMiB } of rows) {
    expect([value, peerValue, rssMiB].every(figure => figure > 0)).toBe(true)
    expect(ratio).toBeCloseTo(unit.endsWith('/s') ? value / peerValue : peerValue / value)
  }
})
