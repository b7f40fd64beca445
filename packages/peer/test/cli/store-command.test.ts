/** `holdfast store` as a donor runs it, on a data directory that a store filled. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_CONFIG } from '../../src/config.ts'
import { openDataDirectory } from '../../src/data-directory.ts'
import { openDiskReserve, openPeerStore } from '../../src/storage/index.ts'
import { collect } from '../collect.ts'
import { carOf, cidOf, nodeHasher, randomBytes, storePiece } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const clock = { now: () => Date.now() }

let life = new AsyncDisposableStack()
let path: string
let pieces: string[]
const BLOCK = randomBytes(9, 1000)
beforeEach(async () => {
  path = join(life.use(await temporaryDirectory()).path, 'peer')
  await using opened = await openStore()
  pieces = []
  for (const bytes of [randomBytes(1, 50_000), randomBytes(2, 2_000_000), await carOf([BLOCK])]) {
    const { cid } = await storePiece(opened.store, bytes, 500_000, { dealId: '7' })
    await opened.store.keep(cid, '7', cid)
    pieces.push(cid.toString())
  }
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function openStore() {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await openDataDirectory(path))
  const { store } = await openPeerStore(stack, {
    directory,
    reserve: await openDiskReserve(directory.reserveFile),
    config: DEFAULT_CONFIG.provider,
    nodeHasher,
    clock,
    onEvent: () => undefined
  })
  const open = stack.move()
  return { store, [Symbol.asyncDispose]: () => open.disposeAsync() }
}

const fileOf = (name: string) => join(path, 'pieces', name)

async function run(...parameters: string[]) {
  const child = spawn(process.execPath, ['--conditions=source', MAIN, 'store', ...parameters, '--directory', path], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const ended = once(child, 'exit')
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr)])
  const [code] = (await ended) as [number]
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
}

const eventsOf = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)

describe('store check', () => {
  it('says that all is well, and leaves everything as it was', async () => {
    const before = await readdir(path, { recursive: true })
    const { code, stdout } = await run('check')
    expect(stdout).toMatch(/^3 pieces, .*: 0 missing, 0 corrupt, 0 cached layers/m)
    expect(code).toBe(0)
    const after = await readdir(path, { recursive: true })
    expect(after.filter(name => name.startsWith('pieces'))).toEqual(before.filter(name => name.startsWith('pieces')))
  })

  it('tells missing pieces from corrupt ones, names their deals, and ends with 1', async () => {
    await rm(fileOf(pieces[0]!))
    const bytes = await readFile(fileOf(pieces[1]!))
    bytes[1_500_000]! ^= 1
    await writeFile(fileOf(pieces[1]!), bytes)
    await rm(fileOf(`${pieces[2]}.layer`))
    const { code, stdout } = await run('check', '--json')
    expect(code).toBe(1)
    const events = eventsOf(stdout)
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'pieceDamaged', piece: pieces[0], condition: 'missing', deals: ['7'] })
    )
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'pieceDamaged', piece: pieces[1], condition: 'wrong-bytes', deals: ['7'] })
    )
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'storeChecked', pieces: 3, missing: 1, corrupt: 1, staleLayers: 1 })
    )
    expect(events.at(-1)).toMatchObject({ event: 'failed', code: 'PIECES_DAMAGED' })
    expect(await readdir(join(path, 'pieces', 'damaged'))).toEqual([])
  })

  it('will not look beside a daemon that runs, nor at what is no data directory', async () => {
    {
      await using _ = await openStore()
      const locked = await run('check')
      expect(locked.code).toBe(1)
      expect(locked.stderr).toContain('DIRECTORY_LOCKED')
    }
    path = join(path, 'nowhere')
    const missing = await run('check')
    expect(missing.code).toBe(2)
    expect(missing.stderr).toContain('DIRECTORY_MISSING')
  })
})

describe('store rebuild', () => {
  it('makes index and layers again from the pieces alone', async () => {
    const layer = await readFile(fileOf(`${pieces[1]}.layer`))
    await rm(join(path, 'index'), { recursive: true })
    await writeFile(fileOf(`${pieces[1]}.layer`), 'rotten')
    const { code, stdout } = await run('rebuild', '--json')
    expect(eventsOf(stdout).at(-1)).toEqual({ event: 'storeRebuilt', pieces: 3, damaged: 0 })
    expect(code).toBe(0)
    expect(await readFile(fileOf(`${pieces[1]}.layer`))).toEqual(layer)
    await using opened = await openStore()
    const found = await collect(opened.store.list())
    expect(found.map(({ cid }) => cid.toString()).toSorted()).toEqual(pieces.toSorted())
    // Whose they are, the ledger says when the provider starts.
    expect(found.every(({ deals }) => deals.length === 0)).toBe(true)
    expect(await opened.store.findBlock(await cidOf(BLOCK))).toBeUndefined()
    await opened.store.keep(found.find(({ isCar }) => isCar)!.cid, '7', found[0]!.cid)
    expect(await opened.store.findBlock(await cidOf(BLOCK))).toBeDefined()
  })

  it('opens an index again that was damaged', async () => {
    const [table] = (await readdir(join(path, 'index'))).filter(name => name.startsWith('MANIFEST'))
    await writeFile(join(path, 'index', table!), 'rotten')
    await expect(openStore()).rejects.toMatchObject({ code: 'INDEX_DAMAGED' })
    expect((await run('rebuild')).code).toBe(0)
    await using opened = await openStore()
    expect(await collect(opened.store.list())).toHaveLength(3)
  })
})
