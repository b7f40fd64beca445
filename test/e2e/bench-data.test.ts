import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

interface Row {
  readonly row: string
  readonly peer: string
  readonly unit: string
  readonly value: number
  readonly peerValue: number
  readonly ratio: number
  readonly cpuSeconds: number
  readonly rssMiB: number
}

const root = fileURLToPath(new URL('../../', import.meta.url))

it('npm run bench -- data measures a piece on its way to a real provider and back', async () => {
  const commandArguments = [
    'bench/main.ts',
    'data',
    '--quick',
    '--json',
    ...'--row transfer --row get --row rss'.split(' ')
  ]
  const { stdout } = await promisify(execFile)(process.execPath, commandArguments, { cwd: root, timeout: 100_000 })
  const rows = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Row)
  const peers = rows.map(({ row, peer }) => `${row} ${peer}`)
  expect(peers).toEqual(expect.arrayContaining(['transfer raw-libp2p', 'transfer libp2p-noise', 'get unixfs.cat']))
  for (const { unit, value, peerValue, ratio, rssMiB } of rows) {
    expect([value, peerValue, rssMiB].every(figure => figure > 0)).toBe(true)
    // More of what is moved is better, less of what it takes.
    expect(ratio).toBeCloseTo(unit === 'MB/s' ? value / peerValue : peerValue / value)
  }
  // Of small files too: most of it is the program itself.
  const peaks = rows.filter(({ row }) => row === 'rss-client' || row === 'rss-provider')
  expect(peaks).toHaveLength(2)
  for (const { value } of peaks) expect(value).toBeLessThanOrEqual(250)
})
