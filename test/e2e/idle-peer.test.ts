/** A peer that has nothing to do leaves its machine alone. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { temporaryDirectory } from '../../packages/peer/test/temporary-directory.ts'
import { runHoldfast } from './holdfast-run.ts'

/** Keeping connections, following the ledger and showing signs of life take one to three. */
const WAKES_PER_SECOND_MAX = 25
const LOOK_S = 4
const LISTEN = '/ip4/127.0.0.1/tcp/0'

const life = new AsyncDisposableStack()
afterAll(() => life.disposeAsync())

/** How often the kernel has put the main thread to sleep. */
async function sleepsOf(pid: number): Promise<number> {
  const [, count] = /^voluntary_ctxt_switches:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(count)
}

it.skipIf(process.platform !== 'linux')('wakes a few times a second, not a hundred', async () => {
  const { path } = life.use(await temporaryDirectory())
  const run = (...args: string[]) => life.use(runHoldfast([...args, '--json'], { temporaryDirectory: path }))
  const common = ['--listen', LISTEN, '--directory']
  const network = ['network', 'create', 'quiet', '--beacon', 'host', '--round', '1h']
  const { addresses } = await run(...network, ...common, join(path, 'host')).event('ready')
  const [member] = addresses as string[]
  const donor = run('start', '--network', member!, '--allocate', '64MiB', ...common, join(path, 'donor'))
  await donor.event('ready')
  // It asks, offers and measures at first; the quietest of some looks is what remains.
  let fewest = Number.POSITIVE_INFINITY
  for (let look = 0; look < 5 && fewest > WAKES_PER_SECOND_MAX; look++) {
    const before = await sleepsOf(donor.pid)
    await pause(LOOK_S * 1000)
    fewest = Math.min(fewest, ((await sleepsOf(donor.pid)) - before) / LOOK_S)
  }
  expect(fewest).toBeLessThanOrEqual(WAKES_PER_SECOND_MAX)
})
