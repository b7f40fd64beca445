/** What bombs of each kind cost whoever refuses them, in a process of its own, so that the memory is theirs alone. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const CHILD = new URL('refuse-bombs.ts', import.meta.url).pathname

/** What was dropped counts as memory until it is collected: as often as in a peer's processes. */
const SMALL_GARBAGE = '--max-semi-space-size=8'

interface Refused {
  readonly what: string
  readonly code: string
  readonly cpuMs: number
  readonly grownMiB: number
}

const CODES: Record<string, RegExp> = {
  DAG: /^BUDGET_EXCEEDED$/,
  HAMT: /^(BUDGET_EXCEEDED|MALFORMED_CONTENT)$/,
  CAR: /^CAR_INVALID$/,
  name: /^UNSAFE_NAME$/
}

it('DAG, HAMT, CAR and name bombs are refused within a second and 64 MiB each', { timeout: 60_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [SMALL_GARBAGE, '--conditions=source', CHILD])
  const refused = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Refused)
  expect(new Set(refused.map(({ what }) => what.split(':')[0]))).toEqual(new Set(Object.keys(CODES)))
  for (const { what, code, cpuMs, grownMiB } of refused) {
    expect(code, what).toMatch(CODES[what.split(':')[0]!]!)
    expect(cpuMs, what).toBeLessThan(1000)
    expect(grownMiB, what).toBeLessThan(64)
  }
})
