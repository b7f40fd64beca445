import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openDataDirectory } from '../src/data-directory.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const HOLDER = new URL('hold-data-directory.ts', import.meta.url)

it('creates the directory for its owner alone and opens it again', async () => {
  await using temporary = await temporaryDirectory()
  const path = join(temporary.path, 'a', 'peer')
  {
    await using directory = await openDataDirectory(path)
    await directory.state.put('a', 'b')
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    expect((await readdir(path)).sort()).toEqual(['ledger', 'pieces', 'state', 'version'])
    for (const place of [directory.piecesDirectory, directory.ledgerDirectory]) {
      expect((await stat(place)).isDirectory()).toBe(true)
    }
  }
  await using directory = await openDataDirectory(path)
  expect(await directory.state.get('a')).toBe('b')
})

it('refuses a second opening and says what to do', async () => {
  await using temporary = await temporaryDirectory()
  const first = await openDataDirectory(temporary.path)
  await expect(openDataDirectory(temporary.path)).rejects.toMatchObject({
    code: 'DIRECTORY_LOCKED',
    message: expect.stringContaining('stop it first'),
    details: { path: temporary.path }
  })
  await first.close()
  const second = await openDataDirectory(temporary.path)
  await second.close()
})

it('is locked against other processes until its holder is killed', async () => {
  await using temporary = await temporaryDirectory()
  const child = spawn(process.execPath, ['--conditions=source', HOLDER.pathname, temporary.path], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  await expect(openDataDirectory(temporary.path)).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' })
  child.kill('SIGKILL')
  await exited
  const directory = await openDataDirectory(temporary.path)
  await directory.close()
})

it('refuses a directory that holds other files, and leaves it as it was', async () => {
  await using temporary = await temporaryDirectory()
  await writeFile(join(temporary.path, 'thesis.odt'), '')
  await expect(openDataDirectory(temporary.path)).rejects.toMatchObject({ code: 'DIRECTORY_FOREIGN' })
  expect(await readdir(temporary.path)).toEqual(['thesis.odt'])
})

it('takes a directory in which only a config and a network description stand yet', async () => {
  await using temporary = await temporaryDirectory()
  await writeFile(join(temporary.path, 'config.toml'), '')
  await writeFile(join(temporary.path, 'network.json'), '{}')
  await using directory = await openDataDirectory(temporary.path)
  expect(await readdir(directory.path)).toContain('version')
})

it.each([
  ['holdfast data directory 2\n', 'DIRECTORY_TOO_NEW'],
  ['something else\n', 'DIRECTORY_FOREIGN'],
  ['', 'DIRECTORY_FOREIGN']
])('refuses the version file %j', async (text, code) => {
  await using temporary = await temporaryDirectory()
  await writeFile(join(temporary.path, 'version'), text)
  await expect(openDataDirectory(temporary.path)).rejects.toMatchObject({ code })
})

it('says that a path cannot be a directory', async () => {
  await using temporary = await temporaryDirectory()
  const path = join(temporary.path, 'file')
  await writeFile(path, '')
  await expect(openDataDirectory(path)).rejects.toMatchObject({ code: 'DIRECTORY_UNUSABLE' })
})

it('says that damaged state may be deleted, which helps', async () => {
  await using temporary = await temporaryDirectory()
  await (await openDataDirectory(temporary.path)).close()
  const state = join(temporary.path, 'state')
  await writeFile(join(state, 'CURRENT'), 'nonsense')
  await expect(openDataDirectory(temporary.path)).rejects.toMatchObject({
    code: 'STATE_DAMAGED',
    message: expect.stringContaining('delete that folder')
  })
  await rm(state, { recursive: true })
  await mkdir(state)
  await (await openDataDirectory(temporary.path)).close()
})
