/** A daemon that plays every role, killed and stopped at the worst of times: one command starts it again. */
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { parsePeerAddresses, proposeDeal } from '@holdfast/core'
import { dataDirectoryPaths, readNetworkFile } from '@holdfast/peer'
import { randomBytes } from '@noble/hashes/utils.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNode } from '../../packages/peer/dist/node.js'
import { setUpNetwork } from '../../packages/peer/dist/set-up.js'
import { temporaryDirectory } from '../../packages/peer/test/temporary-directory.ts'
import { type HoldfastRun, runHoldfast } from './holdfast-run.ts'

/** What it takes to end what is written and to hang up, on a machine with other work. */
const STOP_MS_MAX = 10_000

describe.each([
  ['127.0.0.1:0', 'SIGTERM'],
  ['unix', 'SIGINT']
] as const)('with its API on %s, a daemon', (api, signal) => {
  const life = new AsyncDisposableStack()
  let directory: string
  let temporary: string
  let daemon: HoldfastRun

  beforeAll(async () => {
    const { path } = life.use(await temporaryDirectory())
    directory = join(path, 'peer')
    temporary = path
    const genesisMs = Date.now() + 600_000
    await setUpNetwork({
      directory,
      name: 'killed',
      roundMs: 600_000,
      beacon: 'host',
      accounts: [],
      supply: 10n ** 24n,
      genesisMs
    })
    const listen = api === 'unix' ? `unix:${join(path, 'api.sock')}` : api
    await writeFile(
      dataDirectoryPaths(directory).configFile,
      `roles = ["ledger-host", "provider", "verifier"]\nlisten = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"]\n[api]\nlisten = ${JSON.stringify(listen)}\n[provider]\nallocateBytes = "64MiB"\n`
    )
  })
  afterAll(() => life.disposeAsync())

  async function start(): Promise<void> {
    daemon = life.use(runHoldfast(['start', '--directory', directory, '--json'], { temporaryDirectory: temporary }))
    await daemon.event('ready')
  }

  async function status(): Promise<Record<string, unknown>> {
    await using asked = runHoldfast(['status', '--directory', directory, '--json'], { temporaryDirectory: temporary })
    const { code, stdout, stderr } = await asked.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return JSON.parse(stdout) as Record<string, unknown>
  }

  test('that was killed leaves its files, and is started again by one command', async () => {
    const { apiFile } = dataDirectoryPaths(directory)
    await start()
    const before = await readFile(apiFile, 'utf8')
    daemon.kill('SIGKILL')
    expect((await daemon.ended).signal).toBe('SIGKILL')
    expect(await readFile(apiFile, 'utf8')).toBe(before)
    if (api === 'unix') expect((await stat(join(temporary, 'api.sock'))).isSocket()).toBe(true)
    await start()
    expect(await status()).toMatchObject({ roles: ['ledger-host', 'provider', 'verifier'] })
  })

  test(`stops within seconds on ${signal} though strangers stall`, async () => {
    const network = await readNetworkFile(dataDirectoryPaths(directory).networkFile)
    const [tcp = ''] = network.addresses.host.filter(address => !address.includes('/ws'))
    const target = parsePeerAddresses(network.addresses.host)
    await using stranger = await createNode({ privateKey: randomBytes(32), listen: [] })
    await stranger.start()
    // A request that never ends, and sockets that say nothing.
    const stream = await stranger.libp2p.dialProtocol(target, proposeDeal.id)
    stream.send(Uint8Array.of(0x80, 0x80, 0x04, 0))
    const silent: Socket[] = []
    for (let index = 0; index < 10; index++) {
      const socket = connect({ host: '127.0.0.1', port: parseInt(/tcp\/(\d+)/.exec(tcp)![1]!, 10) })
      socket.on('error', () => undefined)
      silent.push(socket)
      await once(socket, 'connect')
    }
    const startedMs = performance.now()
    daemon.kill(signal)
    const { code, signal: killed, stderr } = await daemon.ended
    expect(performance.now() - startedMs).toBeLessThan(STOP_MS_MAX)
    expect({ killed, stderr }).toEqual({ killed: null, stderr: '' })
    expect([0, 130, 143]).toContain(code)
    for (const socket of silent) socket.destroy()
  })
})
