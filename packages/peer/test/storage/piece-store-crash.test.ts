import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { expect, it } from 'vitest'
import { KILL_COUNT, killAfterLines } from '../kill-after-lines.ts'
import { mountCutDisk } from '../mount-disk.ts'
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

const clock = { now: () => Date.now() }

/** Opens what a crash has left and compares it with what was promised before. @returns whether an upload can go on */
async function expectKept(path: string, promises: Promises): Promise<boolean> {
  await using opened = await openTestStore(path, { clock, leaseMs: 60_000 })
  const found = await expectExplained(opened)
  for (const piece of promises.committed) expect(found).toContain(piece)
  const { suspendedBytes } = opened.store.usage()
  // Bytes that were promised are there; a piece may have been committed without our having heard of it.
  if (suspendedBytes > 0) expect(suspendedBytes).toBeGreaterThanOrEqual(promises.suspendedBytes)
  // So that a long run does not fill the disk, what has stood the test goes.
  for (const piece of [...promises.committed].slice(0, -20)) {
    expect(await opened.store.check(CID.parse(piece))).toEqual({ ok: true })
    await opened.store.remove(CID.parse(piece))
    promises.committed.delete(piece)
  }
  return suspendedBytes > 0
}

async function expectAllWhole(path: string): Promise<void> {
  await using opened = await openTestStore(path, { clock })
  for await (const { cid } of opened.store.list()) expect(await opened.store.check(cid)).toEqual({ ok: true })
}

it(`leaves whole pieces and explained files over ${KILL_COUNT} kills with SIGKILL`, {
  timeout: KILL_COUNT * 30_000
}, async () => {
  await using directory = await temporaryDirectory()
  const promises = new Promises()
  let resumes = 0
  for (let kill = 0; kill < KILL_COUNT; kill++) {
    const parameters = [directory.path, String(kill * 1000), String(promises.uploads)]
    for (const line of await killAfterLines(CHILD, parameters, 2 + ((kill * 7) % 20))) promises.hear(line)
    if (await expectKept(directory.path, promises)) resumes += 1
  }
  expect(resumes).toBeGreaterThan(0)
  await expectAllWhole(directory.path)
})

const CUTS = process.env.HOLDFAST_LONG === '1' ? 40 : 2

it(`loses nothing that it promised over ${CUTS} power cuts`, { timeout: CUTS * 60_000 }, async ({ skip }) => {
  const disk = await mountCutDisk(600)
  if (typeof disk === 'string') return skip(disk)
  await using _ = disk
  const promises = new Promises()
  for (let cut = 0; cut < CUTS; cut++) {
    const parameters = [disk.path, String(cut * 1000), String(promises.uploads)]
    // Few lines and many: a file system writes its journal every few seconds, and loses other things before than after.
    const lines = await killAfterLines(CHILD, parameters, cut % 2 === 0 ? 4 + cut : 60 + cut, pid => disk.cutPower(pid))
    for (const line of lines) promises.hear(line)
    disk.restorePower()
    await expectKept(disk.path, promises)
  }
  await expectAllWhole(disk.path)
})
