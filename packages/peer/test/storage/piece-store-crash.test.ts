import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { KILL_COUNT, killAfterLines } from '../kill-after-lines.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestStore } from './open-test-store.ts'

const CHILD = new URL('store-until-killed.ts', import.meta.url)

it(`leaves whole pieces and explained files over ${KILL_COUNT} kills with SIGKILL`, {
  timeout: KILL_COUNT * 20_000
}, async () => {
  await using directory = await temporaryDirectory()
  const committed = new Set<string>()
  /** Pieces whose removal had begun at a kill: here or not, both are right. */
  const inDoubt = new Set<string>()
  for (let kill = 0; kill < KILL_COUNT; kill++) {
    const lines = await killAfterLines(CHILD, [directory.path, String(kill * 1000)], 2 + ((kill * 7) % 20))
    for (const line of lines) {
      const piece = line.slice(1)
      if (line.startsWith('+')) committed.add(piece)
      else committed.delete(piece)
      if (line.startsWith('?')) inDoubt.add(piece)
      else inDoubt.delete(piece)
    }
    await using opened = await openTestStore(directory.path)
    const found = new Set<string>()
    for await (const { cid } of opened.store.list()) found.add(cid.toString())
    for (const piece of committed) expect(found).toContain(piece)
    const names = await readdir(opened.directory)
    const files = new Set(names.filter(name => name !== 'incoming' && name !== 'damaged'))
    for (const piece of found) {
      expect(files.delete(piece), piece).toBe(true)
      files.delete(`${piece}.layer`)
    }
    expect([...files], 'files that nothing explains').toEqual([])
    for (const folder of ['incoming', 'damaged']) expect(await readdir(join(opened.directory, folder))).toEqual([])
    for (const event of opened.events) {
      expect(['temporary-removed', 'layer-removed', 'piece-reindexed']).toContain(event.type)
    }
  }
  await using opened = await openTestStore(directory.path)
  for await (const { cid } of opened.store.list()) expect(await opened.store.check(cid)).toEqual({ ok: true })
})
