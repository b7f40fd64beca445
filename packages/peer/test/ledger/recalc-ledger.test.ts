import { join } from 'node:path'
import { encodeState, hashState, headAfter, signHead } from '@holdfast/core'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  CLIENT,
  HOST,
  PARAMETERS,
  PROVIDER,
  STRANGER,
  TestNetwork,
  TOOLS
} from '../../../core/test/ledger/network-fixture.ts'
import { readHeadRing, replaceHeadRing } from '../../src/ledger/head-ring.ts'
import { recalcLedger } from '../../src/ledger/recalc-ledger.ts'
import { replayLog } from '../../src/ledger/replay-log.ts'
import { wasmSignatureVerifier } from '../../src/ledger/wasm-signatures.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestFiles } from './open-test-files.ts'
import { openTestHost } from './open-test-host.ts'

const network = new TestNetwork()
const tools = { ...TOOLS, signatures: wasmSignatureVerifier }
const { signal } = new AbortController()

/** Not those of the log, on purpose. */
const WRONG_LEAVES = new Uint8Array(21 * 32)

let path: string
let life = new AsyncDisposableStack()
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
  await using opened = await openTestHost(path, { tools })
  await opened.host.start()
  for (let nonce = 0; nonce < 20; nonce += 1) await opened.host.submit(network.transfer(CLIENT, PROVIDER, 1n, nonce))
  const { state } = opened.host
  const { log, snapshots } = opened.files
  await snapshots.write(21, encodeState(state), () => ({
    stateHash: hashState(state),
    chainHash: log.tipHash,
    tree: { size: 21, groups: new Uint8Array(), leaves: WRONG_LEAVES }
  }))
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function recalc() {
  await using opened = await openTestFiles(path)
  const { files, level } = opened
  return await recalcLedger({
    directory: files.directory,
    index: level.sublevel('ledger'),
    snapshots: files.snapshots,
    parameters: PARAMETERS,
    tools,
    signal
  })
}

describe('a recalculation', () => {
  it('lists the figures of a snapshot that differ, by name', async () => {
    expect((await recalc()).differences).toEqual([{ where: 'snapshot 21', figure: 'tree' }])
    await using opened = await openTestFiles(path)
    const [facts] = await opened.files.snapshots.list()
    const { stateHash, chainHash, tree } = facts!
    const { machine } = await replayed()
    machine.accounts.get(CLIENT.address)!.free += 1n
    machine.burned += 7n
    await opened.files.snapshots.write(21, encodeState(machine), () => ({ stateHash, chainHash, tree }))
    await opened[Symbol.asyncDispose]()
    expect((await recalc()).differences.map(({ figure }) => figure)).toEqual([
      'tree',
      `accounts/${CLIENT.address}`,
      'burned'
    ])
  })

  it('lists heads of another log', async () => {
    const directory = join(path, 'ledger')
    const { heads } = await readHeadRing(directory)
    const other = signHead(
      headAfter(heads.get(19), { networkId: network.state.networkId, size: 21, root: new Uint8Array(32), timeMs: 1 }),
      HOST
    )
    await replaceHeadRing(directory, [...heads.values(), other])
    expect((await recalc()).differences).toContainEqual({ where: 'head 20', figure: 'root' })
    await expect(replayLog(directory, PARAMETERS, tools)).rejects.toMatchObject({ code: 'LOG_CONTRADICTS_HEAD' })
  })

  it('lists marks of the index that are wrong', async () => {
    {
      await using level = new Level<string, string>(join(path, 'state'))
      await level.sublevel('snapshots').clear()
    }
    expect((await recalc()).differences).toEqual([])
    await using opened = await openTestFiles(path)
    await opened.level.sublevel('ledger').put('0000000000000009', 'nonsense')
    const { files, level } = opened
    const { differences } = await recalcLedger({
      directory: files.directory,
      index: level.sublevel('ledger'),
      snapshots: files.snapshots,
      parameters: PARAMETERS,
      tools,
      signal
    })
    expect(differences).toEqual([{ where: 'index', figure: '0000000000000009' }])
  })
})

async function replayed() {
  const { state } = await replayLog(join(path, 'ledger'), PARAMETERS, tools)
  return { machine: state }
}

describe('a verification', () => {
  it('says which heads it has checked', async () => {
    expect(await replayLog(join(path, 'ledger'), PARAMETERS, tools)).toMatchObject({
      heads: 21,
      head: { number: 20, size: 21 }
    })
  })

  it('refuses heads of somebody else', async () => {
    const directory = join(path, 'ledger')
    const { heads } = await readHeadRing(directory)
    await replaceHeadRing(directory, [...heads.values(), signHead(heads.get(20)!, STRANGER)])
    await expect(replayLog(directory, PARAMETERS, tools)).rejects.toMatchObject({ code: 'HEADS_INVALID' })
  })

  it('refuses a log that is shorter than its newest head', async () => {
    const directory = join(path, 'ledger')
    const { heads } = await readHeadRing(directory)
    const { networkId } = network.state
    const more = signHead(headAfter(heads.get(20), { networkId, size: 30, root: new Uint8Array(32), timeMs: 1 }), HOST)
    await replaceHeadRing(directory, [...heads.values(), more])
    await expect(replayLog(directory, PARAMETERS, tools)).rejects.toMatchObject({ code: 'LOG_DAMAGED' })
  })
})
