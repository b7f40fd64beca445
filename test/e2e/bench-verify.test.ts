import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

interface Row {
  readonly row: string
  readonly peer: string
  readonly value: number
  readonly note?: string
}

const root = fileURLToPath(new URL('../../', import.meta.url))

it.runIf(process.env.HOLDFAST_LONG === '1')(
  'npm run bench -- verify measures a proved round, what a deal costs its verifier, and an idle daemon',
  {
    timeout: 240_000
  },
  async () => {
    const commandArguments = ['bench/main.ts', 'verify', '--quick', '--json']
    const { stdout } = await promisify(execFile)(process.execPath, commandArguments, { cwd: root, timeout: 220_000 })
    const lines = stdout.trim().split('\n')
    const rows = lines.map(line => JSON.parse(line) as Row)
    expect(rows.map(({ row, peer }) => `${row} ${peer}`)).toEqual([
      'leaf-challenges-batched one-stream-per-challenge',
      'leaf-challenges-batched 16-streams-at-once',
      'deal-round-cpu -',
      'deals-per-verifier -',
      'idle-daemon -',
      'idle-daemon-cpu -',
      'ready-with-100000-pieces -'
    ])
    for (const { row, value } of rows) if (row !== 'idle-daemon-cpu') expect(value).toBeGreaterThan(0)
    expect(rows[3]!.note).toContain('s of CPU')
  }
)
