import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openClientState } from '../../src/client/client-state.ts'
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
