/** A flipped bit anywhere in what a ledger keeps on disk: found when it is opened, mended by itself, or without effect. Never a wrong balance. */
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashState } from '@holdfast/core'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { temporaryDirectory } from '../temporary-directory.ts'
import { FAST_TOOLS } from './expect-intact.ts'
import { openTestHost } from './open-test-host.ts'

const FLIPS = process.env.HOLDFAST_LONG === '1' ? 2000 : 40
/** What a start may say instead of starting. */
const SAYINGS = /^(LOG_|HEADS_|LEVEL_)/

let life: AsyncDisposableStack
let origin: string
let hash: string
/** Files of the ledger, and how long each is. */
let files: { readonly name: string; readonly sizeBytes: number }[]

beforeAll(async () => {
  life = new AsyncDisposableStack()
  origin = life.use(await temporaryDirectory()).path
  const segments = { segmentSizeBytesMax: 8000 }
  const opened = await openTestHost(origin, { tools: FAST_TOOLS, snapshotEntries: 30, log: segments })
  await opened.host.start()
  await opened.payUntilSnapshots(2, 0)
  hash = hashState(opened.host.state)
  await opened[Symbol.asyncDispose]()
  const entries = await readdir(origin, { recursive: true, withFileTypes: true })
  files = await Promise.all(
    entries
      .filter(entry => entry.isFile() && entry.name !== 'LOCK' && !entry.name.startsWith('LOG'))
      .map(async entry => {
        const path = join(entry.parentPath, entry.name)
        return { name: path.slice(origin.length), sizeBytes: (await readFile(path)).length }
      })
  )
}, 120_000)
afterAll(() => life.disposeAsync())

async function startOutcome(path: string): Promise<string> {
  try {
    await using opened = await openTestHost(path, { tools: FAST_TOOLS })
    await opened.host.start()
    return hashState(opened.host.state)
  } catch (error) {
    return String((error as { code?: string }).code)
  }
}

it(`of ${FLIPS} flipped bits in segments, heads and database, none makes a wrong state`, {
  timeout: 60_000 + FLIPS * 2000
}, async () => {
  const outcomes = new Map<string, number>()
  await using directory = await temporaryDirectory()
  const copy = join(directory.path, 'copy')
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 0, max: 7 }), async (which, position, bit) => {
      await rm(copy, { recursive: true, force: true })
      await cp(origin, copy, { recursive: true })
      const { name, sizeBytes } = files.filter(file => file.sizeBytes > 0)[which % files.length] ?? files[0]!
      const bytes = await readFile(join(copy, name))
      bytes[position % sizeBytes]! ^= 1 << bit
      await writeFile(join(copy, name), bytes)
      const outcome = await startOutcome(copy)
      if (outcome !== hash) expect(outcome, `${name} at ${position % sizeBytes}, bit ${bit}`).toMatch(SAYINGS)
      const what = outcome === hash ? 'started' : outcome
      outcomes.set(what, (outcomes.get(what) ?? 0) + 1)
    }),
    { numRuns: FLIPS }
  )
  expect(outcomes.get('started') ?? 0).toBeGreaterThan(0)
  expect(outcomes.size).toBeGreaterThan(1)
})
