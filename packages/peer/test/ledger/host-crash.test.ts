/** Hosts that end in the middle of their work: by SIGKILL at random moments, at chosen system calls, and by a power cut. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { KILL_COUNT, killAfterLines } from '../kill-after-lines.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { expectIntact } from './expect-intact.ts'

const CHILD = new URL('submit-until-killed.ts', import.meta.url)
const isLong = process.env.HOLDFAST_LONG === '1'
const run = promisify(execFile)

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

/** Runs the child under strace until the n-th call of a kind kills it. @returns what it had acknowledged */
async function killAtCall(path: string, call: string, nth: number): Promise<string[]> {
  const inject = `inject=${call}:signal=KILL:when=${nth}`
  const child = spawn(
    'strace',
    [
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      '-e',
      `trace=${call}`,
      '-e',
      inject,
      process.execPath,
      '--conditions=source',
      CHILD.pathname,
      path,
      '5'
    ],
    { stdio: ['ignore', 'pipe', 'ignore'], detached: true }
  )
  const lines: string[] = []
  const ended = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === 2000) process.kill(-child.pid!, 'SIGKILL') // the call never came so often
  }
  await ended
  return lines
}

const canTrace =
  spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'inject=getpid:signal=KILL:when=1', 'true']).error ===
  undefined
const CALLS = ['fdatasync', 'pwrite64', 'fsync', 'openat'] as const
const NTHS = isLong ? Array.from({ length: 40 }, (_, index) => 1 + index) : [3, 9]

describe.skipIf(!canTrace)(`killed at chosen system calls${canTrace ? '' : ' (skipped: no strace here)'}`, () => {
  it.each(CALLS)('%s: keeps what was acknowledged', { timeout: NTHS.length * 60_000 }, async call => {
    await using directory = await temporaryDirectory()
    for (const nth of NTHS) {
      const at = call === 'openat' ? nth * 60 : nth
      const lines = await killAtCall(directory.path, call, at)
      await expectIntact(directory.path, highest(lines))
    }
  })
})

/** An ext4 file system in a file, mounted through a loop device. */
async function mountImage(image: string, target: string): Promise<AsyncDisposable> {
  await mkdir(target, { recursive: true })
  await run('mount', ['-o', 'loop', image, target])
  return { [Symbol.asyncDispose]: async () => void (await run('umount', [target])) }
}

/** Why there can be no power cuts here, or undefined. */
async function reasonAgainstPowerCuts(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux'
  await using directory = await temporaryDirectory()
  const image = join(directory.path, 'image')
  try {
    await run('truncate', ['-s', '8M', image])
    await run('mkfs.ext4', ['-q', '-F', image])
    await using _ = await mountImage(image, join(directory.path, 'mounted'))
    return undefined
  } catch (error) {
    return `no loop mounts (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`
  }
}

const reason = await reasonAgainstPowerCuts()
const CUTS = isLong ? 30 : 2

it.skipIf(reason !== undefined)(
  `keeps every acknowledged command over ${CUTS} power cuts${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  { timeout: CUTS * 60_000 },
  async () => {
    await using directory = await temporaryDirectory()
    const [image, copy] = [join(directory.path, 'image'), join(directory.path, 'copy')]
    const [mounted, after] = [join(directory.path, 'mounted'), join(directory.path, 'after')]
    for (let cut = 0; cut < CUTS; cut += 1) {
      await run('truncate', ['-s', '64M', image])
      await run('mkfs.ext4', ['-q', '-F', image])
      let lines: string[]
      {
        await using _ = await mountImage(image, mounted)
        lines = await copyWhileStopped(mounted, image, copy, 20 + ((cut * 53) % 400))
      }
      await using _ = await mountImage(copy, after)
      await expectIntact(join(after, 'peer'), highest(lines))
      await rm(image)
    }
  }
)

/** Runs a host on a mounted image, and copies the image at a moment: what is on the platter then, and nothing else. */
async function copyWhileStopped(mounted: string, image: string, copy: string, lineCount: number): Promise<string[]> {
  const path = join(mounted, 'peer')
  await mkdir(path)
  const child = spawn(process.execPath, ['--conditions=source', CHILD.pathname, path, '9'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit')
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  reader.on('line', line => {
    lines.push(line)
    if (lines.length === lineCount) child.kill('SIGSTOP')
  })
  const stopped = Promise.withResolvers<void>()
  reader.on('line', () => {
    if (lines.length >= lineCount) stopped.resolve()
  })
  await Promise.race([stopped.promise, exited])
  const acknowledged = [...lines]
  await copyFile(image, copy)
  child.kill('SIGKILL')
  await exited
  return acknowledged
}
