/** Hosts that end in the middle of their work: by SIGKILL at random moments, at chosen system calls, and by a power cut. */
import { spawnSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { KILL_COUNT, killAfterLines, killAtCall } from '../kill-after-lines.ts'
import { mountCutDisk } from '../mount-disk.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { expectIntact } from './expect-intact.ts'

const CHILD = new URL('submit-until-killed.ts', import.meta.url)
const isLong = process.env.HOLDFAST_LONG === '1'

const highest = (lines: readonly string[]) => Math.max(-1, ...lines.map(Number))

it(`keeps every acknowledged command over ${KILL_COUNT} kills with SIGKILL, and replays to the same state`, {
  timeout: KILL_COUNT * 30_000
}, async () => {
  await using directory = await temporaryDirectory()
  let length = 0
  for (let kill = 0; kill < KILL_COUNT; kill += 1) {
    const lines = await killAfterLines(CHILD, [directory.path, String(1 + ((kill * 7) % 20))], 5 + ((kill * 37) % 120))
    const now = await expectIntact(directory.path, highest(lines))
    expect(now).toBeGreaterThan(length)
    length = now
  }
})

const canTrace =
  spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'inject=getpid:signal=KILL:when=1', 'true']).error ===
  undefined
const CALLS = ['fdatasync', 'pwrite64', 'fsync', 'openat'] as const
const NTHS = isLong ? Array.from({ length: 40 }, (_, index) => 1 + index) : [3, 7]

describe.skipIf(!canTrace)(`killed at chosen system calls${canTrace ? '' : ' (skipped: no strace here)'}`, () => {
  it.each(CALLS)('%s: keeps what was acknowledged', { timeout: NTHS.length * 60_000 }, async call => {
    await using directory = await temporaryDirectory()
    let acknowledged = 0
    for (const nth of NTHS) {
      // A start opens many files before it takes a command.
      const counted = call === 'openat' ? nth * 4 : nth
      const lines = await killAtCall(CHILD, [directory.path, '5'], { call, nth: counted, lineCount: 500 })
      acknowledged += lines.length
      await expectIntact(directory.path, highest(lines))
    }
    expect(acknowledged).toBeGreaterThan(0)
  })
})

const CUTS = isLong ? 30 : 2

it(`keeps every acknowledged command over ${CUTS} power cuts`, { timeout: CUTS * 60_000 }, async ({ skip }) => {
  const disk = await mountCutDisk(256)
  if (typeof disk === 'string') return skip(disk)
  await using _ = disk
  const path = join(disk.path, 'peer')
  await mkdir(path)
  for (let cut = 0; cut < CUTS; cut += 1) {
    const lines = await killAfterLines(CHILD, [path, '9'], 20 + ((cut * 53) % 400), pid => disk.cutPower(pid))
    disk.restorePower()
    await expectIntact(path, highest(lines))
  }
})
