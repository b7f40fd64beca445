import { expect, it } from 'vitest'
import { KILL_COUNT, killAfterLines } from '../kill-after-lines.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestLog, readAll, textsOf } from './open-test-log.ts'

const CHILD = new URL('append-until-killed.ts', import.meta.url)

it(`keeps every acknowledged entry over ${KILL_COUNT} kills with SIGKILL`, {
  timeout: KILL_COUNT * 20_000
}, async () => {
  await using directory = await temporaryDirectory()
  let acknowledged = 0
  for (let kill = 0; kill < KILL_COUNT; kill++) {
    const groupSize = 1 + ((kill * 37) % 90)
    const lines = await killAfterLines(CHILD, [directory.path, String(groupSize)], 3 + ((kill * 61) % 40))
    acknowledged = 1 + Number(lines.at(-1))
    await using opened = await openTestLog(directory.path, { lengthAcknowledged: acknowledged })
    expect(opened.log.length).toBeGreaterThanOrEqual(acknowledged)
  }
  await using opened = await openTestLog(directory.path, { lengthAcknowledged: acknowledged })
  expect(await readAll(opened.log)).toEqual(textsOf(0, opened.log.length))
})
