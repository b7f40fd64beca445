/** What a daemon that cannot start says, as its process: what is wrong, where, and what mends it. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { dataDirectoryPaths } from '@holdfast/peer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { setUpNetwork } from '../../packages/peer/dist/set-up.js'
import { temporaryDirectory } from '../../packages/peer/test/temporary-directory.ts'
import { type HoldfastEnd, runHoldfast } from './holdfast-run.ts'

const life = new AsyncDisposableStack()
let path: string
let made = 0
beforeAll(async () => {
  path = life.use(await temporaryDirectory()).path
})
afterAll(() => life.disposeAsync())

/** The directory of a host that could start. */
async function prepare(config = ''): Promise<string> {
  const directory = join(path, `peer-${made++}`)
  const genesisMs = Date.now() + 600_000
  const wishes = { name: 'refusing', roundMs: 600_000, beacon: 'host', supply: 10n ** 24n } as const
  await setUpNetwork({ directory, genesisMs, accounts: [], ...wishes })
  await writeFile(dataDirectoryPaths(directory).configFile, `listen = ["/ip4/127.0.0.1/tcp/0"]\n${config}`)
  return directory
}

async function run(...commandArguments: string[]): Promise<HoldfastEnd> {
  await using process = runHoldfast(commandArguments, { temporaryDirectory: path })
  return await process.ended
}

async function expectRefusal(directory: string, code: string, said: string | RegExp, ...more: string[]): Promise<void> {
  const end = await run('start', '--directory', directory, ...more)
  expect(end.stdout).not.toContain('runs on')
  expect(end.stderr).toContain(`(${code})`)
  expect(end.stderr.trim().split('\n')).toHaveLength(1)
  if (typeof said === 'string') expect(end.stderr).toContain(said)
  else expect(end.stderr).toMatch(said)
  expect([1, 2]).toContain(end.code)
}

describe('a daemon is refused', () => {
  test.each([
    ['a key that nobody reads', 'roles = ["ledger-host"]\nrolls = 1', ':3: rolls: there is no such key'],
    ['a value that is none', 'roles = ["miner"]', ':2: roles:'],
    [
      'a value that cannot be',
      '[provider]\nallocateBytes = "5 parsecs"',
      ':3: provider.allocateBytes: expected a size'
    ],
    ['text that is no TOML', 'roles = [', /config\.toml:[23]: /]
  ])('with %s in its config, by the line', async (_, config, said) => {
    await expectRefusal(await prepare(config), 'CONFIG_INVALID', said)
  })

  test('with a key that others can read', async () => {
    const directory = await prepare('roles = ["ledger-host"]')
    const { keyFile } = dataDirectoryPaths(directory)
    await chmod(keyFile, 0o644)
    await expectRefusal(directory, 'KEY_FILE_EXPOSED', `chmod 600 ${keyFile}`)
  })

  test('with a token that others can read', async () => {
    const directory = await prepare('roles = ["ledger-host"]')
    const { apiTokenFile } = dataDirectoryPaths(directory)
    await writeFile(apiTokenFile, `${'ab'.repeat(32)}\n`, { mode: 0o644 })
    await expectRefusal(directory, 'TOKEN_EXPOSED', `${apiTokenFile} can be read by other users`)
  })

  test('that is to give more than its disk has, the first time and later', async () => {
    const directory = await prepare('roles = ["ledger-host", "provider"]\n[provider]\nallocateBytes = "4000TB"')
    await expectRefusal(directory, 'NOT_ENOUGH_ROOM', 'lower')
    const fresh = join(path, 'fresh')
    await mkdir(fresh)
    const { networkFile } = dataDirectoryPaths(directory)
    await expectRefusal(fresh, 'NOT_ENOUGH_ROOM', 'lower --allocate', '--network', networkFile, '--allocate', '4000TB')
  })

  test('on the directory of another network', async () => {
    const [one, other] = [await prepare(), await prepare()]
    const { networkFile } = dataDirectoryPaths(other)
    await expectRefusal(
      one,
      'NETWORK_DIFFERS',
      'give the other network a directory of its own',
      '--network',
      networkFile
    )
  })

  test('whose port, or whose API’s port, another program has', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    life.defer(() => void server.close())
    await new Promise(resolve => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const directory = await prepare('roles = ["ledger-host"]')
    const { configFile } = dataDirectoryPaths(directory)
    await writeFile(configFile, `roles = ["ledger-host"]\nlisten = ["/ip4/127.0.0.1/tcp/${port}"]\n`)
    await expectRefusal(directory, 'PORT_IN_USE', `/ip4/127.0.0.1/tcp/${port}: stop it, or let this peer listen`)
    await writeFile(configFile, `roles = ["ledger-host"]\nlisten = []\n[api]\nlisten = "127.0.0.1:${port}"\n`)
    await expectRefusal(directory, 'API_PORT_IN_USE', 'give it another address in the config')
  })
})
