/** What the program says to what it cannot work with, the code it ends with, and that it leaves nothing behind. */
import { spawnSync } from 'node:child_process'
import { appendFile, chmod, copyFile, mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dataDirectoryPaths } from '@holdfast/peer'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../../packages/peer/test/temporary-directory.ts'
import { HOLDFAST_MAIN, type HoldfastEvent, type RunOptions, runHoldfast } from './holdfast-run.ts'
import { STANDING_ROUND_MS, startTestDevnet, type TestDevnet } from './test-devnet.ts'

const USAGE = 2
const FAILURE = 1
/** The user that owns nothing. */
const NOBODY = { uid: 65_534, gid: 65_534 }

interface Failure {
  readonly exitCode: number
  readonly code: string
  readonly message: RegExp
  /** Under `devnet`. */
  readonly step?: string
}

let directory: string
let temporary: string
let life: AsyncDisposableStack
beforeEach(async () => {
  life = new AsyncDisposableStack()
  directory = life.use(await temporaryDirectory()).path
  temporary = join(directory, 'temporary')
  await mkdir(temporary)
  return () => life.disposeAsync()
})

/** Runs the command twice, once for people and once for scripts. Both must say the same, and leave nothing. */
async function expectFailure(
  commandArguments: readonly string[],
  { exitCode, code, message, step }: Failure,
  user?: RunOptions['user']
): Promise<void> {
  const pids: number[] = []
  const onEvent = ({ event, pid }: HoldfastEvent) => {
    if (event === 'process') pids.push(Number(pid))
  }
  const options = { temporaryDirectory: temporary, onEvent, ...(user !== undefined && { user }) }
  await using text = runHoldfast(commandArguments, options)
  await using json = runHoldfast([...commandArguments, '--json'], options)
  const said = await text.ended
  expect(said).toMatchObject({ code: exitCode, signal: null, stderr: expect.stringMatching(message) })
  expect(said.stderr).toMatch(new RegExp(`^holdfast: .*\\(${code}\\)\\n$`))
  const { code: jsonExitCode, stderr } = await json.ended
  expect({ jsonExitCode, stderr }).toEqual({ jsonExitCode: exitCode, stderr: '' })
  const failed = json.events.at(-1)!
  expect(failed).toMatchObject({ event: 'failed', code, message: expect.stringMatching(message) })
  expect(failed.step).toBe(step)
  expect(pids).toEqual([])
  expect(await readdir(temporary)).toEqual([])
}

describe('the main job refuses', () => {
  const refuses = (path: string, failure: Omit<Failure, 'step'>, user?: RunOptions['user']) =>
    expectFailure(['devnet', path], { ...failure, step: 'pack' }, user)

  test('a path that is not there', async () => {
    const path = join(directory, 'nowhere')
    await refuses(path, { exitCode: USAGE, code: 'PATH_MISSING', message: /nowhere" does not exist/ })
  })

  test('a symbolic link that leads back to itself', async () => {
    const path = join(directory, 'loop')
    await symlink('loop', path)
    await refuses(path, {
      exitCode: USAGE,
      code: 'PATH_SYMLINK_LOOP',
      message: /loop" is a symbolic link that leads back/
    })
  })

  test('a file that it may not read', async ({ skip }) => {
    const isRoot = process.getuid?.() === 0
    skip(process.platform === 'win32', 'rights work otherwise there')
    const user = isRoot ? NOBODY : undefined
    const canRun = spawnSync(process.execPath, ['--check', HOLDFAST_MAIN], { ...user }).status === 0
    skip(!canRun, 'this checkout is closed to the user without rights')
    const tree = join(directory, 'tree')
    await mkdir(tree)
    await writeFile(join(tree, 'secret'), 'secret', { mode: 0 })
    await chmod(directory, 0o755)
    await chmod(temporary, 0o777)
    await refuses(tree, { exitCode: USAGE, code: 'PATH_UNREADABLE', message: /cannot read .*secret": EACCES/ }, user)
  })

  test('a file that grows while it is read', async () => {
    const path = join(directory, 'log')
    await writeFile(path, 'begin')
    await truncate(path, 32 * 1024 * 1024)
    const growing = new AbortController()
    const growth = (async () => {
      while (!growing.signal.aborted) await appendFile(path, 'more')
    })()
    try {
      await refuses(path, { exitCode: FAILURE, code: 'SOURCE_CHANGED', message: /log" changed while it was read/ })
    } finally {
      growing.abort()
      await growth
    }
  })

  test('a directory of somebody else to work in', async () => {
    const path = join(directory, 'content')
    const others = join(directory, 'others')
    await writeFile(path, 'content')
    await mkdir(others)
    await writeFile(join(others, 'thesis.txt'), 'years of work')
    await expectFailure(['devnet', path, '--directory', others], {
      exitCode: USAGE,
      code: 'DIRECTORY_NOT_EMPTY',
      message: /others is not empty: name a new or empty directory/
    })
    expect(await readdir(others)).toEqual(['thesis.txt'])
  })

  test('options that it does not know, and values that are none', async () => {
    const wrong = [
      { said: ['devnet', directory, '--rounds', '3'], message: /unknown option '--rounds'/ },
      { said: ['devnet', directory, '--round-ms', 'soon'], message: /'soon' is invalid.*at least \d+/ },
      { said: ['devnet', directory, directory], message: /too many arguments/ },
      { said: ['stroe', directory], message: /unknown command 'stroe'/ },
      { said: ['put', directory], message: /required option '--network <file>' not specified/ }
    ]
    await Promise.all(
      wrong.map(async ({ said, message }) => {
        await using run = runHoldfast(said, { temporaryDirectory: temporary })
        expect(await run.ended).toMatchObject({ code: USAGE, stdout: '', stderr: expect.stringMatching(message) })
      })
    )
    expect(await readdir(temporary)).toEqual([])
  })
})

describe('a network description', () => {
  test('that is missing makes no data directory', async () => {
    const path = join(directory, 'typing-error')
    await expectFailure(['start', '--directory', path], {
      exitCode: USAGE,
      code: 'NETWORK_MISSING',
      message: /typing-error knows no network yet: start once with --network/
    })
    expect(await readdir(directory)).toEqual(['temporary'])
  })

  test('that is none is named', async () => {
    const network = join(directory, 'network.json')
    for (const garbage of ['{ "parameters": ', '{ "parameters": {} }']) {
      await writeFile(network, garbage)
      const failure = {
        exitCode: USAGE,
        code: 'NETWORK_INVALID',
        message: /network\.json: this is no network description/
      }
      await expectFailure(['get', 'bafkqaaa', join(directory, 'out'), '--network', network], failure)
    }
    expect(await readdir(directory)).toEqual(expect.not.arrayContaining(['out']))
  })
})

describe('beside a network that runs', () => {
  let net: TestDevnet
  beforeAll(async () => {
    net = await startTestDevnet({ providers: 1, roundMs: STANDING_ROUND_MS })
  })
  afterAll(() => net?.[Symbol.asyncDispose]())

  const start = (path: string) => ['start', '--directory', path]

  test('a second daemon on a data directory is refused, and the first goes on', async () => {
    const { client, devnet } = net
    for (const peer of devnet.peers) {
      const message = new RegExp(`Another Holdfast daemon is running on ${peer.directory}: stop it first`)
      await expectFailure(start(peer.directory), { exitCode: FAILURE, code: 'DIRECTORY_LOCKED', message })
    }
    const content = join(directory, 'content')
    await writeFile(content, 'the first daemon still works')
    expect((await client.put(content, { replicas: 1 })).replicas).toHaveLength(1)
  })

  test('a port in use is named, and the data directory works once the port is another', async () => {
    const [address] = net.devnet.network.addresses.host
    const taken = address!.replace(/\/p2p\/.*/, '')
    const paths = dataDirectoryPaths(join(directory, 'peer'))
    await mkdir(paths.path)
    await copyFile(net.devnet.networkFile, paths.networkFile)
    await writeFile(paths.configFile, `roles = ["provider"]\nlisten = ["${taken}"]\n`)
    const message = new RegExp(
      `Another program listens on ${taken}: stop it, or let this peer listen on another address`
    )
    await using first = runHoldfast(start(paths.path), { temporaryDirectory: temporary })
    const said = await first.ended
    expect(said).toMatchObject({ code: FAILURE, stderr: expect.stringMatching(message) })
    expect(said.stderr).toContain('(PORT_IN_USE)')

    await writeFile(paths.configFile, 'roles = ["provider"]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\n')
    await using second = runHoldfast([...start(paths.path), '--json'], { temporaryDirectory: temporary })
    expect(await second.event('ready')).toMatchObject({ roles: ['provider'] })
    second.kill('SIGTERM')
    expect(await second.ended).toMatchObject({ signal: null, stderr: '' })
  })
})
