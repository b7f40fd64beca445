import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openClientState } from '../../src/client/client-state.ts'
import { cidOf, randomBytes } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const PROVIDER = `0x${'ab'.repeat(20)}` as const

let life = new AsyncDisposableStack()
let directory: string
let path: string
beforeEach(async () => {
  directory = life.use(await temporaryDirectory()).path
  path = join(directory, 'key.state', 'state.json')
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

it('remembers how fast providers were and which list was the newest, and forgives failures', async () => {
  const state = await openClientState(path)
  expect(state.listSequence).toBe(-1)
  state.listSequence = 4
  state.measurements.record(PROVIDER, { kind: 'latency', ms: 12 })
  state.measurements.record(PROVIDER, { kind: 'upload', bytes: 1000, ms: 10 })
  state.measurements.record(PROVIDER, { kind: 'failure' })
  await state.save()
  const again = await openClientState(path)
  expect(again.listSequence).toBe(4)
  const measured = again.measurements.snapshot().get(PROVIDER)
  expect(measured).toEqual({ ...state.measurements.snapshot().get(PROVIDER), failures: 0 })
  expect(measured?.latencyMs).toBe(12)
})

it('is nobody else’s to read, and leaves no half-written file', async () => {
  await (await openClientState(path)).save()
  expect((await stat(path)).mode & 0o077).toBe(0)
  expect(await readdir(join(directory, 'key.state'))).toEqual(['state.json'])
})

it.each([
  ['torn', '{"version":1,"listSeq'],
  ['of a later version', '{"version":2,"listSequence":3,"measurements":[]}'],
  ['of somebody else', '[]'],
  ['with figures that are none', `{"version":1,"listSequence":3,"measurements":[["${PROVIDER}",{"latencyMs":-1}]]}`]
])('begins anew beside a file that is %s, and replaces it', async (_, text) => {
  await (await openClientState(path)).save()
  await writeFile(path, text)
  const state = await openClientState(path)
  expect([state.listSequence, state.measurements.snapshot().size]).toEqual([-1, 0])
  state.listSequence = 1
  await state.save()
  expect((await openClientState(path)).listSequence).toBe(1)
})

it('is done without where nothing can be written', async () => {
  const nowhere = await openClientState(undefined)
  nowhere.listSequence = 3
  await nowhere.save()
  expect(await readdir(directory)).toEqual([])
  await writeFile(join(directory, 'key.state'), 'a file in the way')
  const blocked = await openClientState(path)
  blocked.listSequence = 3
  await blocked.save()
  expect(await readFile(join(directory, 'key.state'), 'utf8')).toBe('a file in the way')
})

it('remembers what the parts of leaves must be, and believes no file that is not what was written', async () => {
  const leaf = randomBytes(1, 100_000)
  const cid = await cidOf(leaf)
  const knows = async () => (await openClientState(path)).leafParts.around(cid, leaf.length, 0, 1) !== undefined
  const state = await openClientState(path)
  await state.leafParts.learn(cid, leaf)
  await state.save()
  const file = join(directory, 'key.state', 'leaf-parts')
  const written = await readFile(file)
  expect((await stat(file)).mode & 0o077).toBe(0)
  expect(await knows()).toBe(true)
  for (const offset of [0, 11, 12, 60, written.length - 1]) {
    const flipped = Buffer.from(written)
    flipped[offset]! ^= 1
    await writeFile(file, flipped)
    expect(await knows()).toBe(false)
  }
  for (const length of [0, 10, 44, written.length - 1]) {
    await writeFile(file, written.subarray(0, length))
    expect(await knows()).toBe(false)
  }
  await writeFile(file, written)
  expect(await knows()).toBe(true)
})

it('writes once after the other what is saved at once', async () => {
  const state = await openClientState(path)
  const saves = Array.from({ length: 8 }, async (_, sequence) => {
    state.listSequence = sequence
    const leaf = randomBytes(sequence, 1000)
    await state.leafParts.learn(await cidOf(leaf), leaf)
    await state.save()
  })
  await Promise.all(saves)
  const again = await openClientState(path)
  expect(again.listSequence).toBe(7)
  expect(again.leafParts.snapshot()).toEqual(state.leafParts.snapshot())
})
