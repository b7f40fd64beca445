import { randomBytes } from 'node:crypto'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import {
  createSigner,
  describeNetwork,
  forkProofOf,
  headAfter,
  machineClock,
  networkIdOf,
  signHead
} from '@holdfast/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PARAMETERS } from '../../../core/test/ledger/network-fixture.ts'
import { DEFAULT_CONFIG, writeDefaultConfig } from '../../src/config.ts'
import { dataDirectoryPaths } from '../../src/data-directory.ts'
import { type ExamineOptions, examine } from '../../src/doctor/examine.ts'
import { CHECKS, type CheckName } from '../../src/doctor/finding.ts'
import { loadOrCreateKey } from '../../src/key-file.ts'
import { keepForkProof } from '../../src/ledger/fork-proofs.ts'
import { writeNetworkFile } from '../../src/network-file.ts'
import { createNode, type PeerNode } from '../../src/node.ts'
import { serveMembership } from '../../src/serve-membership.ts'
import { machineFileSystem } from '../../src/storage/file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const random = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes))
const HOST_KEY = random(32)
const HOST = createSigner(HOST_KEY)
const NOW_MS = Date.now()
/** Rounds of a minute; the fourth is open. */
const NETWORK_PARAMETERS = {
  ...PARAMETERS,
  host: HOST.address,
  roundMs: 60_000,
  roundLateMsMax: 20_000,
  genesisMs: NOW_MS - 3.5 * 60_000,
  beacon: { ...PARAMETERS.beacon, genesisMs: NOW_MS - 3.5 * 60_000, periodMs: 60_000 }
}

interface World {
  readonly hostClockOffMs?: number
  readonly round?: number
  readonly hostIsUp?: boolean
  readonly listen?: string[]
}

async function openWorld({
  hostClockOffMs = 0,
  round = 4,
  hostIsUp = true,
  listen = ['/ip4/127.0.0.1/tcp/0']
}: World = {}) {
  const life = new AsyncDisposableStack()
  onTestFinished(() => life.disposeAsync())
  const { path } = life.use(await temporaryDirectory())
  const paths = dataDirectoryPaths(path)
  await mkdir(paths.piecesDirectory)
  await loadOrCreateKey(paths.keyFile)
  await writeDefaultConfig(paths.configFile, {
    ...DEFAULT_CONFIG,
    listen,
    provider: { ...DEFAULT_CONFIG.provider, allocateBytes: 2 ** 20 }
  })
  const host = life.use(await createNode({ privateKey: HOST_KEY, listen: ['/ip4/127.0.0.1/tcp/0'] }))
  await host.start()
  const network = describeNetwork(NETWORK_PARAMETERS, { sequence: 0, host: host.addresses(), bootstrap: [] }, HOST)
  await writeNetworkFile(paths.networkFile, network)
  const services = life.use(new AsyncDisposableStack())
  await serveMembership(
    services,
    {
      node: host,
      network: () => network,
      clock: { now: () => Date.now() - hostClockOffMs },
      round: () => round,
      random
    },
    { networkId: networkIdOf(NETWORK_PARAMETERS) }
  )
  if (!hostIsUp) await host.stop()
  return { path, paths, life }
}

const AUDIT = { passes: 1, readBytes: 0, totalBytes: 1e9, challenges: 1, healed: 0, damaged: [] }

async function statusOf(path: string, check: CheckName, options: Partial<ExamineOptions> = {}) {
  const findings = await examine({
    directory: path,
    clock: machineClock,
    hasher: { name: 'native' },
    usedBytes: 0,
    reserveBytes: 2 ** 20,
    audit: AUDIT,
    openNode: async (privateKey, { listen }): Promise<PeerNode> => {
      const node = await createNode({ privateKey, listen: [...listen] })
      await node.start()
      return node
    },
    ...options
  })
  expect(findings.map(finding => finding.check)).toEqual(CHECKS)
  return findings.find(finding => finding.check === check)!
}

it('finds nothing wrong with a good peer', async () => {
  const { path } = await openWorld()
  for (const check of CHECKS) expect(await statusOf(path, check)).toMatchObject({ check, status: 'ok' })
})

describe('finds, when it is broken,', () => {
  it('a key that others can read', async () => {
    const { path, paths } = await openWorld()
    await chmod(paths.keyFile, 0o644)
    expect(await statusOf(path, 'key')).toMatchObject({
      status: 'problem',
      advice: expect.stringContaining('chmod 600')
    })
  })

  it('a key that is missing', async () => {
    const { path, paths } = await openWorld()
    await rm(paths.keyFile)
    expect((await statusOf(path, 'key')).status).toBe('problem')
    expect((await statusOf(path, 'clock')).status).toBe('skipped')
  })

  it('a config with a key that nobody reads, by its line', async () => {
    const { path, paths } = await openWorld()
    await writeFile(paths.configFile, 'roles = ["provider"]\nlisen = []\n')
    const finding = await statusOf(path, 'config')
    expect(finding.status).toBe('problem')
    expect(`${finding.message} ${finding.advice}`).toContain('config.toml:2')
  })

  it('a network description that somebody has changed', async () => {
    const { path, paths } = await openWorld()
    const network = describeNetwork(NETWORK_PARAMETERS, { sequence: 0, host: [], bootstrap: [] }, HOST)
    await writeNetworkFile(paths.networkFile, { ...network, addresses: { ...network.addresses, sequence: 1 } })
    expect((await statusOf(path, 'network')).status).toBe('problem')
  })

  it('a host that keeps two histories, by the proof that was kept', async () => {
    const { path, paths } = await openWorld()
    const heads = [1, 2].map(timeMs => {
      const facts = { networkId: networkIdOf(NETWORK_PARAMETERS), size: 1, root: new Uint8Array(32), timeMs }
      return signHead(headAfter(undefined, facts), HOST)
    })
    const file = await keepForkProof(paths.forksDirectory, forkProofOf(heads[0]!, heads[1]!)!)
    const finding = await statusOf(path, 'history')
    expect(finding).toMatchObject({ status: 'problem', advice: expect.stringContaining('check-fork') })
    expect(finding.message).toContain(file)
  })

  it('a disk that cannot be written', async () => {
    const { path } = await openWorld()
    const files = {
      ...machineFileSystem,
      open: (async (...args: Parameters<typeof machineFileSystem.open>) => {
        if (String(args[1]).startsWith('w')) throw Object.assign(new Error('read only'), { code: 'EROFS' })
        return await machineFileSystem.open(...args)
      }) as typeof machineFileSystem.open
    }
    expect(await statusOf(path, 'disk', { files })).toMatchObject({
      status: 'problem',
      message: expect.stringContaining('EROFS')
    })
  })

  it('pieces that the audit found rotten, with what becomes of them', async () => {
    const { path } = await openWorld()
    const damaged = [
      { piece: 'baga1', how: 'wrong bytes were read', foundMs: NOW_MS },
      { piece: 'baga2', how: 'its file is missing', foundMs: NOW_MS, obstacle: 'no other provider holds this piece' }
    ]
    expect(await statusOf(path, 'pieces', { audit: { ...AUDIT, damaged } })).toMatchObject({
      status: 'problem',
      message: expect.stringMatching(/2 pieces.*baga1.*being fetched.*baga2.*no other provider/),
      advice: expect.stringContaining('disk')
    })
    expect((await statusOf(path, 'pieces', { audit: undefined })).status).toBe('skipped')
  })

  it('more given than the disk has', async () => {
    const { path, paths } = await openWorld()
    await writeDefaultConfig(paths.configFile, {
      ...DEFAULT_CONFIG,
      listen: [],
      provider: { ...DEFAULT_CONFIG.provider, allocateBytes: 2 ** 52 }
    })
    expect(await statusOf(path, 'disk')).toMatchObject({
      status: 'warning',
      advice: expect.stringContaining('lower allocateBytes')
    })
  })

  it('the slow hasher', async () => {
    const { path } = await openWorld()
    expect(await statusOf(path, 'hasher', { hasher: { name: 'portable', reason: 'no build' } })).toMatchObject({
      status: 'warning'
    })
  })

  it('a port that another program has', async () => {
    const { path, life } = await openWorld()
    const other = life.use(await createNode({ privateKey: random(32), listen: ['/ip4/127.0.0.1/tcp/0'] }))
    await other.start()
    const taken = other.addresses()[0]!.replace(/\/p2p\/.*/, '')
    await writeDefaultConfig(dataDirectoryPaths(path).configFile, { ...DEFAULT_CONFIG, listen: [taken] })
    expect(await statusOf(path, 'ports')).toMatchObject({ status: 'problem', message: expect.stringContaining(taken) })
  })

  it('a clock that is off by an hour', async () => {
    const { path } = await openWorld({ hostClockOffMs: 3_600_000 })
    expect(await statusOf(path, 'clock')).toMatchObject({
      status: 'problem',
      message: expect.stringContaining('3600 s ahead')
    })
  })

  it('a ledger whose rounds stand still', async () => {
    const { path } = await openWorld({ round: 1 })
    expect((await statusOf(path, 'ledger')).status).toBe('problem')
  })

  it('a ledger host that does not answer', async () => {
    const { path } = await openWorld({ hostIsUp: false })
    expect(await statusOf(path, 'ledger')).toMatchObject({
      status: 'problem',
      message: expect.stringContaining('Nobody')
    })
  })

  it('a peer that nobody can reach', async () => {
    const { path } = await openWorld({ listen: [] })
    expect((await statusOf(path, 'reachability')).status).toBe('warning')
  })
})

it('ends when it is told to', async () => {
  const { path } = await openWorld()
  const reason = new Error('enough')
  await expect(statusOf(path, 'clock', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})
