/** One provider of four has no room. The client takes another, and the one that failed holds nothing half. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newestAskOf, type StoredReplica, type StoreEvent } from '@holdfast/core'
import { dataDirectoryPaths } from '@holdfast/peer'
import { createClient, type PutEvent } from '@holdfast/peer/client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { DevnetPeer } from '../../packages/peer/dist/devnet/devnet.js'
import { STANDING_ROUND_MS, startTestDevnet, type TestDevnet } from './test-devnet.ts'

const MIB = 1024 * 1024
const REPLICAS = 3
/** Identical pieces, and nothing beside them. */
const IN_PUBLIC = { encrypt: false, list: false } as const

/** For a provider to start, and its ask to be on the ledger, on a busy machine. */
const WAIT = { timeout: 30_000 }

describe('a provider without room', () => {
  let net: TestDevnet
  /** The one that a client chooses first, because it asks less than the others. */
  let small: DevnetPeer
  let isMounted = false

  beforeAll(async () => {
    net = await startTestDevnet({ providers: REPLICAS + 1, roundMs: STANDING_ROUND_MS })
    small = net.devnet.providers[0]!
    await net.devnet.kill(small)
    await changeConfig(/^pricePerLeafRound = .*$/m, 'pricePerLeafRound = "1"')
    await net.devnet.restart(small)
    await vi.waitUntil(() => newestAskOf(net.ledger.state, small.address)?.pricePerLeafRound === 1n, WAIT)
  }, 120_000)
  afterAll(async () => {
    if (isMounted) {
      await net.devnet.kill(small)
      unmount()
    }
    await net?.[Symbol.asyncDispose]()
  })

  async function changeConfig(line: RegExp, to: string): Promise<void> {
    const { configFile } = dataDirectoryPaths(small.directory)
    const config = await readFile(configFile, 'utf8')
    expect(config).toMatch(line)
    await writeFile(configFile, config.replace(line, to))
  }

  const piecesOfSmall = () => dataDirectoryPaths(small.directory).piecesDirectory

  async function storedBytesOfSmall(): Promise<number> {
    const names = (await readdir(piecesOfSmall())).filter(name => name.startsWith('baf'))
    const sizes = await Promise.all(names.map(async name => (await stat(join(piecesOfSmall(), name))).size))
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  /** A disk of its own for the small provider's pieces. It takes memory only for what is written. */
  function mount(): void {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16g,mode=700', 'tmpfs', piecesOfSmall()], { stdio: 'pipe' })
    isMounted = true
  }

  function resize(size: string): void {
    execFileSync('mount', ['-o', `remount,size=${size}`, piecesOfSmall()], { stdio: 'pipe' })
  }

  function unmount(): void {
    execFileSync('umount', [piecesOfSmall()], { stdio: 'pipe' })
    isMounted = false
  }

  async function writeContent(name: string, sizeBytes: number): Promise<string> {
    const path = join(net.directory, name)
    await writeFile(path, randomBytes(sizeBytes))
    return path
  }

  async function expectStandsElsewhere(replicas: readonly StoredReplica[], path: string): Promise<void> {
    const others = net.devnet.providers.filter(({ name }) => name !== small.name).map(({ address }) => address)
    expect(new Set(replicas.map(({ provider }) => provider))).toEqual(new Set(others))
    await using object = await net.client.pack(path, { encrypt: false })
    for (const {
      cids: [cid]
    } of object.pieces) {
      for (const { dealId } of replicas) {
        expect(net.ledger.state.deals.get(dealId)!.pieces.some(piece => piece.cid.equals(cid!))).toBe(true)
      }
      for (const { provider, pieces } of net.ledger.state.deals.values()) {
        if (provider === small.address) expect(pieces.some(piece => piece.cid.equals(cid!))).toBe(false)
      }
      const names = await readdir(piecesOfSmall())
      expect(names.filter(name => name.startsWith(cid!.toString()))).toEqual([])
    }
    expect(await readdir(join(piecesOfSmall(), 'incoming'))).toEqual([])
  }

  test('whose disk fills up in the middle of a piece is left, and takes pieces again when it has room', {
    timeout: 60_000
  }, async ({ skip }) => {
    const { client, devnet } = net
    skip(process.platform !== 'linux' || process.getuid?.() !== 0, 'only root can give a provider a small disk')
    await devnet.kill(small)
    try {
      mount()
    } catch (error) {
      await devnet.restart(small)
      skip(`this machine lets nobody mount a small disk: ${error}`)
    }
    await devnet.restart(small)
    const path = await writeContent('large.bin', 32 * MIB)
    const failures: StoreEvent[] = []
    let stoppedAtBytes = 0
    const { replicas } = await client.put(path, {
      ...IN_PUBLIC,
      replicas: REPLICAS,
      onProgress(event) {
        if (event.kind === 'failed') failures.push(event)
        if (event.kind !== 'progress' || event.provider !== small.address || event.storedBytes === 0) return
        if (stoppedAtBytes === 0) resize('8m')
        stoppedAtBytes = event.storedBytes
      }
    })
    expect(failures).toEqual([
      { kind: 'failed', provider: small.address, reason: expect.stringMatching(/my disk is full \(NO_SPACE\)/) }
    ])
    expect(stoppedAtBytes).toBeGreaterThan(0)
    expect(stoppedAtBytes).toBeLessThan(32 * MIB)
    await expectStandsElsewhere(replicas, path)

    resize('16g')
    const again = await client.put(path, { ...IN_PUBLIC, replicas: REPLICAS + 1 })
    expect(again.replicas).toEqual(expect.arrayContaining([...replicas]))
    expect(again.replicas.map(({ provider }) => provider)).toContain(small.address)
    await devnet.kill(small)
    unmount()
    await devnet.restart(small)
    // Its disk is gone, and it fetches from the others what it is paid for.
    await expect.poll(storedBytesOfSmall, { timeout: 30_000 }).toBeGreaterThan(32 * MIB)
  })

  test('whose quota is used up is left before a byte is sent', { timeout: 60_000 }, async () => {
    const { devnet, ledger } = net
    // One that has measured nobody: whom it takes is a matter of prices.
    await using client = await createClient({
      network: devnet.network,
      key: devnet.clientKeyFile,
      stateDirectory: join(net.directory, 'fresh-state')
    })
    const capacityBytes = (await storedBytesOfSmall()) + 2 * MIB
    await devnet.kill(small)
    await changeConfig(/^allocateBytes = .*$/m, `allocateBytes = ${capacityBytes}`)
    await devnet.restart(small)
    await expect.poll(() => newestAskOf(ledger.state, small.address)?.capacityBytes, WAIT).toBe(capacityBytes)
    const first = await client.put(await writeContent('first.bin', 1.5 * MIB), {
      ...IN_PUBLIC,
      replicas: REPLICAS
    })
    expect(first.replicas.map(({ provider }) => provider)).toContain(small.address)

    // It offers enough for each of the two files: that they do not fit together, only the provider knows.
    const path = await writeContent('second.bin', 1.5 * MIB)
    const events: PutEvent[] = []
    const { replicas } = await client.put(path, {
      ...IN_PUBLIC,
      replicas: REPLICAS,
      onProgress: event => events.push(event)
    })
    expect(events.filter(({ kind }) => kind === 'failed')).toEqual([
      {
        kind: 'failed',
        provider: small.address,
        reason: expect.stringMatching(/bytes left, \d+ are needed \(NO_SPACE\)/)
      }
    ])
    expect(events.some(event => event.kind === 'progress' && event.provider === small.address)).toBe(false)
    await expectStandsElsewhere(replicas, path)
  })

  test('is said to be the reason when nobody else is left', { timeout: 60_000 }, async () => {
    const path = await writeContent('third.bin', 1.5 * MIB)
    await expect(net.client.put(path, { ...IN_PUBLIC, replicas: REPLICAS + 1 })).rejects.toMatchObject({
      code: 'STORE_INCOMPLETE',
      message: expect.stringMatching(/^3 of 4 replicas stand: .*NO_SPACE/),
      details: { wanted: REPLICAS + 1 }
    })
  })
})
