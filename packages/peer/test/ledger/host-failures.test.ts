/** A host whose n-th call to the disk fails, for every n: nothing that was acknowledged is lost, and nothing else is wrong. */
import { expect, it } from 'vitest'
import { CLIENT, PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import type { FileSystem } from '../../src/storage/file-system.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { expectIntact, FAST_TOOLS } from './expect-intact.ts'
import { openTestHost } from './open-test-host.ts'

const network = new TestNetwork()
const isLong = process.env.HOLDFAST_LONG === '1'
/** Calls between two that fail: all of them in the long mode. */
const STEP = isLong ? 1 : 9

/** Three groups of commands on a fresh directory. @returns the highest sequence that was acknowledged, −1 for none */
async function work(path: string, files: FileSystem): Promise<number> {
  let acknowledged = -1
  try {
    await using opened = await openTestHost(path, { tools: FAST_TOOLS, log: { files, segmentSizeBytesMax: 700 } })
    await opened.host.start()
    acknowledged = 0
    for (let group = 0; group < 3; group += 1) {
      const commands = [0, 1].map(index => network.transfer(CLIENT, PROVIDER, 1n, 2 * group + index))
      const receipts = await Promise.allSettled(commands.map(command => opened.host.submit(command)))
      for (const receipt of receipts)
        if (receipt.status === 'fulfilled' && receipt.value.ok)
          acknowledged = Math.max(acknowledged, receipt.value.sequence)
    }
  } catch {
    return acknowledged // the host said why it could not go on
  }
  return acknowledged
}

/** Half of what was to be written is there, and then the disk is full. */
function tearingFileSystem(isTorn: () => boolean): FileSystem {
  const files = failingFileSystem(() => undefined)
  return {
    ...files,
    open: (async (...parameters: Parameters<FileSystem['open']>) => {
      const handle = await files.open(...parameters)
      return new Proxy(handle, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (typeof value !== 'function') return value
          if (name !== 'write') return value.bind(target)
          return async (bytes: Uint8Array, offset: number, length: number, position: number) => {
            if (!isTorn()) return await target.write(bytes, offset, length, position)
            await target.write(bytes, offset, Math.floor(length / 2), position)
            throw systemError('ENOSPC')
          }
        }
      })
    }) as FileSystem['open']
  }
}

/** Calls one after the other until a run sees no failure. */
async function failEach(create: (isDue: () => boolean) => FileSystem, first = 1): Promise<number> {
  for (let nth = first; ; nth += STEP) {
    await using directory = await temporaryDirectory()
    let calls = 0
    let failed = false
    const files = create(() => {
      calls += 1
      failed ||= calls === nth
      return calls === nth
    })
    const acknowledged = await work(directory.path, files)
    await expectIntact(directory.path, acknowledged)
    if (!failed) {
      expect(acknowledged).toBe(6)
      return nth
    }
  }
}

it.each([
  ['EIO', 1],
  ['ENOSPC', 4],
  ['EMFILE', 7]
])('survives %s at the n-th call', { timeout: 600_000 }, async (code, first) => {
  const calls = await failEach(isDue => failingFileSystem(() => (isDue() ? systemError(code) : undefined)), first)
  expect(calls).toBeGreaterThan(40)
})

it('survives a short write at the n-th write', { timeout: 600_000 }, async () => {
  expect(await failEach(tearingFileSystem)).toBeGreaterThan(5)
})

it.each(['EIO', 'ENOSPC'])(
  'while every write fails with %s it refuses commands and serves reads, and it goes on once it is started again',
  async code => {
    await using directory = await temporaryDirectory()
    let isBroken = false
    const writes = new Set(['write', 'writev', 'writeFile', 'datasync', 'sync', 'truncate', 'rename'])
    const files = failingFileSystem(({ operation }) =>
      isBroken && writes.has(operation) ? systemError(code) : undefined
    )
    {
      await using opened = await openTestHost(directory.path, { tools: FAST_TOOLS, log: { files } })
      const { host, failures } = opened
      await host.start()
      const taken = await host.submit(network.transfer(CLIENT, PROVIDER, 1n, 0))
      expect(taken.ok).toBe(true)
      const { length } = host
      const before = await host.entries(0, 0, AbortSignal.timeout(5_000))
      isBroken = true
      for (let nonce = 1; nonce < 4; nonce++)
        await expect(host.submit(network.transfer(CLIENT, PROVIDER, 1n, nonce))).rejects.toMatchObject({
          code: expect.stringMatching(/^[A-Z_]+$/)
        })
      expect(failures).toHaveLength(1)
      expect(host.length).toBe(length)
      expect(await host.entries(0, 0, AbortSignal.timeout(5_000))).toEqual(before)
      expect(await host.head()).toBeDefined()
      isBroken = false
    }
    await expectIntact(directory.path, 1)
    await using again = await openTestHost(directory.path, { tools: FAST_TOOLS, log: { files } })
    await again.host.start()
    expect((await again.host.submit(network.transfer(CLIENT, PROVIDER, 1n, 1))).ok).toBe(true)
  }
)
