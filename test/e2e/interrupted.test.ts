/** Ends of the main job by its user: the code that a shell expects, and nothing left running or lying about. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryDirectory } from '../../packages/peer/test/temporary-directory.ts'
import { isRunning, runHoldfast } from './holdfast-run.ts'

it.each([
  ['while its network starts', 'process', 'SIGTERM', 143],
  ['while it watches rounds', 'round', 'SIGINT', 130]
] as const)('the main job that is stopped %s ends all of its processes', async (_, after, signal, code) => {
  await using directory = await temporaryDirectory()
  const [path, temporary] = [join(directory.path, 'file.txt'), join(directory.path, 'temporary')]
  await writeFile(path, 'hello')
  await mkdir(temporary)
  await using run = runHoldfast(['devnet', path, '--json', '--round-ms', '1500'], { temporaryDirectory: temporary })
  await run.event(after)
  run.kill(signal)
  expect(await run.ended).toMatchObject({ code, signal: null, stderr: '' })
  expect(run.events.filter(({ event }) => event === 'failed')).toEqual([])
  const pids = run.events.flatMap(({ event, pid }) => (event === 'process' ? [Number(pid)] : []))
  expect(pids.length).toBeGreaterThan(0)
  expect(pids.filter(isRunning)).toEqual([])
  expect(await readdir(temporary)).toEqual([])
})
