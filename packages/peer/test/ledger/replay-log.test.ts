import { cp, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeEntry, encodeEntry, hashState, roundOpensMs } from '@holdfast/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  CLIENT,
  PARAMETERS,
  PROVIDER,
  parametersWith,
  TestNetwork,
  TOOLS
} from '../../../core/test/ledger/network-fixture.ts'
import { replayLog } from '../../src/ledger/replay-log.ts'
import { readSegmentLog } from '../../src/ledger/segment-log.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { nextEntry, openTestHost, type TestHost } from './open-test-host.ts'
import { openTestLog } from './open-test-log.ts'

const network = new TestNetwork()

let life = new AsyncDisposableStack()
let path: string
let opened: TestHost
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
  opened = life.use(await openTestHost(path))
  const { host, clock } = opened
  await host.start()
  await host.submit(network.transfer(CLIENT, PROVIDER, 5n, 0))
  for (const round of [1, 2]) {
    const next = nextEntry(host, ({ entry }) => entry.body.kind === 'openRound')
    await clock.advanceTo(roundOpensMs(PARAMETERS, round))
    await next
  }
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

/** The same log again with entries changed: sound in every byte, so that only the rules can find it. */
async function rewrite(change: (payload: Uint8Array, sequence: number) => Uint8Array): Promise<string> {
  const changed = life.use(await openTestLog(join(path, 'changed')))
  for await (const { payload, sequence } of readSegmentLog(opened.directory))
    await changed.log.append([change(payload, sequence)])
  return changed.directory
}

it('gives the state of the host, beside it and without it', async () => {
  const { host, directory } = opened
  const expected = {
    entries: 4,
    stateHash: hashState(host.state),
    supply: 9_000n * 10n ** 18n,
    sum: 9_000n * 10n ** 18n,
    violations: []
  }
  expect(await replayLog(directory, PARAMETERS, TOOLS)).toMatchObject(expected)
  await opened[Symbol.asyncDispose]()
  const copy = join(path, 'copy')
  await cp(directory, copy, { recursive: true })
  expect(await replayLog(copy, PARAMETERS, TOOLS)).toMatchObject(expected)
  expect(await readdir(copy)).toEqual(await readdir(directory))
})

it('finds an entry that was changed by whoever can write the log', async () => {
  const directory = await rewrite((payload, sequence) => {
    const entry = decodeEntry(payload)!
    if (sequence !== 1 || entry.body.kind !== 'command' || entry.body.command.kind !== 'Transfer') return payload
    const { command } = entry.body
    const statement = { ...command.statement, amount: command.statement.amount + 1n }
    return encodeEntry({ ...entry, body: { kind: 'command', command: { ...command, statement } } })
  })
  await expect(replayLog(directory, PARAMETERS, TOOLS)).rejects.toMatchObject({
    code: 'LOG_INVALID',
    message: expect.stringContaining('did not sign'),
    details: { sequence: 1 }
  })
})

it('finds bytes that are no entry', async () => {
  const directory = await rewrite((payload, sequence) => (sequence === 2 ? Uint8Array.of(1, 2, 3) : payload))
  await expect(replayLog(directory, PARAMETERS, TOOLS)).rejects.toMatchObject({
    code: 'LOG_INVALID',
    message: expect.stringContaining('cannot be decoded'),
    details: { sequence: 2 }
  })
})

it('is refused for another network', async () => {
  await expect(replayLog(opened.directory, parametersWith({ name: 'another' }), TOOLS)).rejects.toMatchObject({
    code: 'LOG_INVALID',
    details: { sequence: 0 }
  })
})

it('says that there is no log where there is none', async () => {
  const empty = join(path, 'empty')
  await mkdir(empty)
  await expect(replayLog(empty, PARAMETERS, TOOLS)).rejects.toMatchObject({
    code: 'LOG_EMPTY',
    message: expect.stringContaining('ledger host')
  })
})
