import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeHead, encodeHead, hashHead, headAfter, signHead, verifyHead } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLIENT, HOST, PROVIDER, STRANGER, TestNetwork, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { openHeadRing } from '../../src/ledger/head-ring.ts'
import type { LedgerHostOptions } from '../../src/ledger/host.ts'
import { readSegmentLog } from '../../src/ledger/segment-log.ts'
import { createSignaturePool } from '../../src/ledger/signature-pool.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestFiles } from './open-test-files.ts'
import { openTestHost, type TestHost } from './open-test-host.ts'

const network = new TestNetwork()
const transfer = (nonce: number) => network.transfer(CLIENT, PROVIDER, 1n, nonce)
const authority = { networkId: network.state.networkId, host: HOST.address, signatures: TOOLS.signatures }

let path: string
let life = new AsyncDisposableStack()
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function startHost(options: Parameters<typeof openTestHost>[1] = {}): Promise<TestHost> {
  const opened = life.use(await openTestHost(path, options))
  await opened.host.start()
  return opened
}

/** Runs a host, submits so many transfers one after the other, and stops it. */
async function runHost(from: number, count: number): Promise<void> {
  const opened = await startHost()
  for (let nonce = from; nonce < from + count; nonce += 1) await opened.host.submit(transfer(nonce))
  await opened[Symbol.asyncDispose]()
}

/** How a start ends. */
async function startOutcome(options: Parameters<typeof openTestHost>[1] = {}): Promise<string> {
  try {
    await using opened = await openTestHost(path, options)
    await opened.host.start()
    return 'started'
  } catch (error) {
    return (error as { code: string }).code
  }
}

async function entriesOnDisk(): Promise<number> {
  let count = 0
  for await (const _ of readSegmentLog(join(path, 'ledger'))) count += 1
  return count
}

const newestHead = ({ host }: Pick<TestHost, 'host'>) => decodeHead(host.headExchange.latest()!)!

describe('heads', () => {
  it('cover every group, are numbered without gaps, and each names the one before', async () => {
    const opened = await startHost()
    for (let nonce = 0; nonce < 3; nonce += 1) {
      await opened.host.submit(transfer(nonce))
      const head = newestHead(opened)
      expect(verifyHead(encodeHead(head), authority).ok).toBe(true)
      expect([head.number, head.size]).toEqual([nonce + 1, nonce + 2])
      const before = opened.files.heads.headAt(nonce)!
      expect(head.previous).toEqual(hashHead(before))
    }
    await opened[Symbol.asyncDispose]()
    const again = await startHost()
    await again.host.submit(transfer(3))
    expect(newestHead(again).number).toBe(4)
    expect(newestHead(again).previous).toEqual(hashHead(again.files.heads.headAt(3)!))
  })

  it('stand over what a crash left without one, before anything else is written', async () => {
    let failing = false
    const files = failingFileSystem(({ operation, path: file }) =>
      failing && operation === 'write' && file.endsWith('heads') ? systemError('EIO') : undefined
    )
    const opened = await startHost({ log: { files } })
    await opened.host.submit(transfer(0))
    failing = true
    await expect(opened.host.submit(transfer(1))).rejects.toMatchObject({ code: 'EIO' })
    await opened[Symbol.asyncDispose]()
    expect(await entriesOnDisk()).toBe(3)
    const again = await startHost()
    expect(newestHead(again)).toMatchObject({ number: 2, size: 3 })
    expect(await again.host.submit(transfer(1))).toEqual({ ok: true, sequence: 2 })
  })

  it('are followed by nobody while they are not durable', async () => {
    const gate = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    let waiting = false
    const files = failingFileSystem(() => undefined)
    const open = files.open
    const slow = {
      ...files,
      open: async (...parameters: Parameters<typeof open>) => {
        const handle = await open(...parameters)
        if (!String(parameters[0]).endsWith('heads')) return handle
        return new Proxy(handle, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name, target)
            if (name !== 'datasync' || typeof value !== 'function') return value
            return async () => {
              if (waiting) {
                reached.resolve()
                await gate.promise
              }
              return await value.call(target)
            }
          }
        })
      }
    }
    const { host } = await startHost({ log: { files: slow } })
    waiting = true
    const told: number[] = []
    host.subscribe(({ entry }) => told.push(entry.sequence))
    const receipts = [host.submit(transfer(0))]
    await reached.promise
    receipts.push(host.submit(transfer(1)), host.submit(transfer(9)))
    const none = await host.entries(1, 0, new AbortController().signal)
    expect(none).toEqual({ entries: [], length: 1 })
    expect(told).toEqual([])
    gate.resolve()
    expect(await Promise.all(receipts)).toMatchObject([{ sequence: 1 }, { sequence: 2 }, { ok: false }])
    expect(told).toEqual([1, 2])
    expect(host.length).toBe(3)
  })
})

describe('a start is refused', () => {
  it('when the log is shorter than its newest head', async () => {
    await runHost(0, 2)
    const [segments, before] = [join(path, 'ledger'), join(path, 'before')]
    await cp(segments, before, { recursive: true })
    await runHost(2, 2)
    await cp(join(segments, 'heads'), join(before, 'heads'))
    await rm(segments, { recursive: true })
    await rename(before, segments)
    expect(await startOutcome()).toBe('LOG_DAMAGED')
    expect(await entriesOnDisk()).toBe(3)
  })

  it('when the heads are gone or far behind the log', async () => {
    await runHost(0, 1)
    await cp(join(path, 'ledger', 'heads'), join(path, 'heads'))
    const opened = await startHost()
    for (let nonce = 1; nonce < 1100; nonce += 220)
      await Promise.all(Array.from({ length: 220 }, (_, index) => opened.host.submit(transfer(nonce + index))))
    await opened[Symbol.asyncDispose]()
    await cp(join(path, 'heads'), join(path, 'ledger', 'heads'))
    expect(await startOutcome()).toBe('HEADS_BEHIND')
    await rm(join(path, 'ledger', 'heads'))
    expect(await startOutcome()).toBe('HEADS_MISSING')
  })

  it('when the log is another one than its heads say', async () => {
    await runHost(0, 1)
    await rename(join(path, 'ledger', 'heads'), join(path, 'heads'))
    await rm(join(path, 'ledger'), { recursive: true })
    const opened = await startHost()
    await opened.host.submit(transfer(0))
    await opened.host.submit(network.ask(PROVIDER))
    await opened[Symbol.asyncDispose]()
    const other = signHead(
      headAfter(undefined, { ...authority, size: 2, root: new Uint8Array(32).fill(3), timeMs: 1 }),
      HOST
    )
    await rm(join(path, 'ledger', 'heads'))
    await using ring = await openHeadRing(join(path, 'ledger'), 'new signer')
    await ring.write(other)
    expect(await startOutcome()).toBe('LOG_CONTRADICTS_HEAD')
  })

  it('on a directory that another host has open', async () => {
    await startHost()
    expect(await startOutcome()).toBe('LEVEL_DATABASE_NOT_OPEN')
  })
})

describe('a host whose directory is an old copy', () => {
  /** Runs on, then puts yesterday's directory back. @returns the newest head that the world has seen */
  async function rollBack(): Promise<Uint8Array> {
    await runHost(0, 2)
    const copy = `${path}-yesterday`
    await cp(path, copy, { recursive: true })
    const opened = await startHost()
    await opened.host.submit(transfer(2))
    const latest = opened.host.headExchange.latest()!
    await opened[Symbol.asyncDispose]()
    await rm(path, { recursive: true })
    await rename(copy, path)
    return latest
  }
  const shown = (head: Uint8Array): Partial<LedgerHostOptions> => ({ witnesses: async () => [head] })

  it('does not start when a witness shows its newer head, and writes nothing', async () => {
    const latest = await rollBack()
    expect(await startOutcome(shown(latest))).toBe('HOST_ROLLED_BACK')
    expect(await entriesOnDisk()).toBe(3)
  })

  it('stops when a message brings that head later, before it signs another of that number', async () => {
    const latest = await rollBack()
    const { host, failures } = await startHost()
    host.headExchange.saw(latest)
    expect(failures).toMatchObject([{ code: 'HOST_ROLLED_BACK' }])
    await expect(host.submit(transfer(2))).rejects.toMatchObject({ code: 'HOST_ROLLED_BACK' })
    expect(await entriesOnDisk()).toBe(3)
  })

  it('stops also after it has signed another one: its second history ends there', async () => {
    const latest = await rollBack()
    const { host, failures } = await startHost()
    await host.submit(network.ask(PROVIDER))
    host.headExchange.saw(latest)
    expect(failures).toMatchObject([{ code: 'HOST_FORKED', details: { proof: expect.any(Uint8Array) } }])
  })

  it('minds neither heads that it knows nor those that somebody made up', async () => {
    const latest = await rollBack()
    const forged = encodeHead({ ...decodeHead(latest)!, number: 99 })
    const strangers = encodeHead(signHead(decodeHead(latest)!, STRANGER))
    const { host, failures } = await startHost({ witnesses: async () => [forged, new Uint8Array(9)] })
    await host.submit(transfer(2))
    for (const head of [forged, strangers, new Uint8Array(), host.headExchange.latest()!, host.head(1) as Uint8Array])
      host.headExchange.saw(head)
    expect(failures).toEqual([])
    expect(await host.submit(transfer(3))).toMatchObject({ ok: true })
  })

  it('checks so many signatures of unknown heads a second, and no more', async () => {
    let checked = 0
    const counting = {
      ...TOOLS.signatures,
      recover: (...parameters: Parameters<typeof TOOLS.signatures.recover>) => {
        checked += 1
        return TOOLS.signatures.recover(...parameters)
      }
    }
    const { host } = await startHost({ tools: { ...TOOLS, signatures: counting } })
    const newest = decodeHead(host.headExchange.latest()!)!
    const forged = encodeHead({ ...newest, number: 99 })
    checked = 0
    for (let index = 0; index < 1_000; index++) host.headExchange.saw(forged)
    expect(checked).toBe(200)
  })
})

it('signers that threads recover are those that the machine would have recovered', async () => {
  await using signatures = createSignaturePool()
  const { host } = await startHost({ signatures, tools: { ...TOOLS, signatures: signatures.verifier } })
  const forged = { ...transfer(1), signature: transfer(7).signature } as ReturnType<typeof transfer>
  const commands = [transfer(0), forged, transfer(1), network.ask(PROVIDER), network.dealOrder(PROVIDER)]
  const receipts = await Promise.all(commands.map(command => host.submit(command)))
  expect(receipts.map(receipt => (receipt.ok ? receipt.sequence : receipt.refusal.code))).toEqual([
    1,
    'BAD_SIGNATURE',
    2,
    3,
    4
  ])
})

it('what is opened as a follower minds no missing heads', async () => {
  await runHost(0, 1)
  await rm(join(path, 'ledger', 'heads'))
  await using opened = await openTestFiles(path, { owner: 'follower' })
  expect([opened.files.log.length, opened.files.heads.last]).toEqual([2, undefined])
})
