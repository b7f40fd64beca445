import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { expect, it } from 'vitest'
import { KILL_COUNT, killAfterLines } from '../kill-after-lines.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestStore, type TestStore } from './open-test-store.ts'

const CHILD = new URL('store-until-killed.ts', import.meta.url)

/** What the processes before the kill have said of the store. */
class Promises {
  readonly committed = new Set<string>()
  /** Pieces whose removal had begun at a kill: here or not, both are right. */
  readonly inDoubt = new Set<string>()
  suspendedBytes = 0
  uploads = 0

  hear(line: string): void {
    const rest = line.slice(1)
    if (line.startsWith('!')) throw new Error(rest)
    if (line.startsWith('=')) this.suspendedBytes = Number(rest)
    if (line.startsWith('*')) {
      this.uploads = Number(rest) + 1
      this.suspendedBytes = 0
    }
    if (line.startsWith('+')) this.committed.add(rest)
    if (line.startsWith('?')) {
      this.committed.delete(rest)
      this.inDoubt.add(rest)
    }
    if (line.startsWith('-')) this.inDoubt.delete(rest)
  }
}

/** Every file of the store is a piece that the index knows, its layer, or an upload that can be gone on with. */
async function expectExplained({ store, directory, events }: TestStore): Promise<Set<string>> {
  const found = new Set<string>()
  for await (const { cid } of store.list()) found.add(cid.toString())
  const files = new Set((await readdir(directory)).filter(name => name !== 'incoming' && name !== 'damaged'))
  for (const piece of found) {
    expect(files.delete(piece), piece).toBe(true)
    files.delete(`${piece}.layer`)
  }
  expect([...files], 'files that nothing explains').toEqual([])
  expect(await readdir(join(directory, 'damaged'))).toEqual([])
  const { usedBytes, suspendedBytes, reservedBytes } = store.usage()
  const { pieceBytes, layerBytes, incomingBytes, otherBytes } = await store.measure()
  expect({ reservedBytes, otherBytes }).toEqual({ reservedBytes: 0, otherBytes: 0 })
  expect(pieceBytes + layerBytes).toBe(usedBytes)
  // What is more than the bytes is the upload's log.
  expect(incomingBytes - suspendedBytes).toBeLessThan(1000)
  const healed = ['temporary-removed', 'layer-removed', 'piece-reindexed']
  expect(events.map(({ type }) => type).filter(type => !healed.includes(type))).toEqual([])
  return found
}

it(`leaves whole pieces and explained files over ${KILL_COUNT} kills with SIGKILL`, {
  timeout: KILL_COUNT * 30_000
}, async () => {
  await using directory = await temporaryDirectory()
  const promises = new Promises()
  const clock = { now: () => Date.now() }
  let resumes = 0
  for (let kill = 0; kill < KILL_COUNT; kill++) {
    const parameters = [directory.path, String(kill * 1000), String(promises.uploads)]
    for (const line of await killAfterLines(CHILD, parameters, 2 + ((kill * 7) % 20))) promises.hear(line)
    await using opened = await openTestStore(directory.path, { clock, leaseMs: 60_000 })
    const found = await expectExplained(opened)
    for (const piece of promises.committed) expect(found).toContain(piece)
    const { suspendedBytes } = opened.store.usage()
    // Bytes that were promised are there; a piece may have been committed without our having heard of it.
    if (suspendedBytes > 0) {
      resumes += 1
      expect(suspendedBytes).toBeGreaterThanOrEqual(promises.suspendedBytes)
    }
    // So that a long run does not fill the disk, what has stood the test goes.
    for (const piece of [...promises.committed].slice(0, -20)) {
      expect(await opened.store.check(CID.parse(piece))).toEqual({ ok: true })
      await opened.store.remove(CID.parse(piece))
      promises.committed.delete(piece)
    }
  }
  expect(resumes).toBeGreaterThan(0)
  await using opened = await openTestStore(directory.path, { clock })
  for await (const { cid } of opened.store.list()) expect(await opened.store.check(cid)).toEqual({ ok: true })
})
