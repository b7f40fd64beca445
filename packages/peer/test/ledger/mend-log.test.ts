import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashState, type LedgerSource, networkIdOf } from '@holdfast/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLIENT, HOST, PARAMETERS, PROVIDER, TestNetwork, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { DAMAGED_SUFFIX, type MendReport, mendLog } from '../../src/ledger/mend-log.ts'
import { wasmSignatureVerifier } from '../../src/ledger/wasm-signatures.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestFollower, reached, sourceOf } from './open-test-follower.ts'
import { openTestHost } from './open-test-host.ts'

const LONG = process.env.HOLDFAST_LONG === '1'

const network = new TestNetwork()
const transfer = (nonce: number) => network.transfer(CLIENT, PROVIDER, 1n, nonce)
const tools = { ...TOOLS, signatures: wasmSignatureVerifier }
const authority = { networkId: networkIdOf(PARAMETERS), host: HOST.address, signatures: wasmSignatureVerifier }
const { signal } = new AbortController()
/** Several files, so that damage can be anywhere. */
const SMALL_SEGMENTS = { segmentSizeBytesMax: 3000 }
const ENTRIES = 60

let life = new AsyncDisposableStack()
/** The host's directory, and its ledger's; a follower that has everything; the state of both. */
let path: string
let directory: string
let source: LedgerSource
let hash: string
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
  directory = join(path, 'ledger')
  const followerPath = life.use(await temporaryDirectory()).path
  await using hosting = await openTestHost(path, { tools, log: SMALL_SEGMENTS })
  await hosting.host.start()
  const { follower } = life.use(await openTestFollower(followerPath, sourceOf(hosting.host), hosting.clock, { tools }))
  await follower.start()
  for (let nonce = 0; nonce < ENTRIES - 1; nonce += 1) await hosting.host.submit(transfer(nonce))
  await reached(follower, ENTRIES)
  hash = hashState(hosting.host.state)
  const { served } = follower
  source = {
    entries: (from, during) => served.entries(from, 0, during),
    head: async number => await served.head(number),
    submit: () => Promise.reject(new Error('not asked'))
  }
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

const segments = async () => (await readdir(directory)).filter(name => name.endsWith('.segment')).sort()

async function startOutcome(): Promise<string> {
  try {
    await using opened = await openTestHost(path, { tools })
    await opened.host.start()
    return hashState(opened.host.state)
  } catch (error) {
    return (error as { code: string }).code
  }
}

const mend = (from: Pick<LedgerSource, 'entries' | 'head'> = source): Promise<MendReport> =>
  mendLog({ directory, authority, source: from, signal })

async function flip(name: string, position: number): Promise<void> {
  const bytes = await readFile(join(directory, name))
  bytes[position % bytes.length]! ^= 4
  await writeFile(join(directory, name), bytes)
}

describe('a log that is mended', () => {
  it('and was whole stays as it is', async () => {
    const before = await Promise.all((await readdir(directory)).map(name => readFile(join(directory, name))))
    expect(await mend()).toEqual({ length: ENTRIES, head: { number: 59, size: 60 }, mended: [], headsMended: false })
    expect(await Promise.all((await readdir(directory)).map(name => readFile(join(directory, name))))).toEqual(before)
  })

  it('has again what a flipped bit broke, and keeps the damaged file', async () => {
    const names = await segments()
    expect(names.length).toBeGreaterThan(3)
    const [, second] = names
    await flip(second!, 900)
    expect(await startOutcome()).toBe('LOG_DAMAGED')
    const { mended, headsMended } = await mend()
    expect(mended).toHaveLength(1)
    expect(headsMended).toBe(false)
    expect(await readdir(directory)).toContain(`${second}${DAMAGED_SUFFIX}`)
    expect(await startOutcome()).toBe(hash)
  })

  it('has again files that are gone, the first, the last, or all with the heads', async () => {
    const losses = [[0], [-1], [1, 2], 'all'] as const
    for (const loss of losses) {
      const names = await segments()
      const lost = loss === 'all' ? [...names, 'heads'] : loss.map(index => names.at(index)!)
      for (const name of lost) await rm(join(directory, name))
      expect(await startOutcome()).not.toBe(hash)
      const { length, headsMended } = await mend()
      expect([length, headsMended]).toEqual([ENTRIES, loss === 'all'])
      expect(await startOutcome()).toBe(hash)
    }
  })

  it('has again what the newest head says and an old copy lacks', async () => {
    const names = await segments()
    await truncate(join(directory, names.at(-1)!), 1500)
    expect(await startOutcome()).toBe('LOG_DAMAGED')
    await mend()
    expect(await startOutcome()).toBe(hash)
  })

  it('of any one flipped bit starts with the same state', { timeout: LONG ? 1_200_000 : 30_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat({ max: 1_000_000 }), async (file, position) => {
        const names = (await readdir(directory)).filter(name => name === 'heads' || name.endsWith('.segment'))
        await flip(names[file % names.length]!, position)
        await mend()
        expect(await startOutcome()).toBe(hash)
      }),
      { numRuns: LONG ? 300 : 10 }
    )
  })
})

describe('a log is not mended, and nothing is changed,', () => {
  async function expectUntouched(code: string, from: Pick<LedgerSource, 'entries' | 'head'>): Promise<void> {
    const before = await Promise.all((await segments()).map(name => readFile(join(directory, name))))
    await expect(mend(from)).rejects.toMatchObject({ code })
    expect(await Promise.all((await segments()).map(name => readFile(join(directory, name))))).toEqual(before)
  }

  it('with entries that are not those which the host signed', async () => {
    const names = await segments()
    await flip(names.at(-1)!, 900)
    const lying = {
      ...source,
      entries: async (...parameters: Parameters<LedgerSource['entries']>) => {
        const answer = await source.entries(...parameters)
        return { ...answer, entries: answer.entries.map(bytes => bytes.with(bytes.length - 1, 0)) }
      }
    }
    await expectUntouched('MEND_CONTRADICTS', lying)
    await flip(names[0]!, 900)
    await expectUntouched('MEND_CONTRADICTS', lying)
  })

  it('by a peer that has less than is needed', async () => {
    await flip((await segments()).at(-1)!, 900)
    await expectUntouched('MEND_SOURCE_SHORT', {
      head: async () => undefined,
      entries: async () => ({ entries: [], length: 3 })
    })
  })

  it('without any head', async () => {
    await rm(join(directory, 'heads'))
    await expectUntouched('MEND_NO_HEAD', { ...source, head: async () => new Uint8Array(3) })
  })
})
