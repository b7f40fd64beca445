import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadKey, loadOrCreateKey } from '../src/key-file.ts'
import { machineFileSystem } from '../src/storage/file-system.ts'
import { failingFileSystem, systemError } from './failing-file-system.ts'
import { temporaryDirectory } from './temporary-directory.ts'

describe('creating', () => {
  it('makes a file for its owner alone, whatever the umask, and loads the same key again', async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'key')
    const before = process.umask(0)
    try {
      const key = await loadOrCreateKey(path)
      expect(key.type).toBe('secp256k1')
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      expect(await readFile(path, 'utf8')).toBe(`${Buffer.from(key.raw).toString('hex')}\n`)
      expect((await loadOrCreateKey(path)).raw).toEqual(key.raw)
      expect((await loadKey(path)).publicKey.equals(key.publicKey)).toBe(true)
    } finally {
      process.umask(before)
    }
    expect(await readdir(directory.path)).toEqual(['key'])
  })

  it('makes one key when two start at once', async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'key')
    const keys = await Promise.all([loadOrCreateKey(path), loadOrCreateKey(path), loadOrCreateKey(path)])
    expect(new Set(keys.map(({ raw }) => Buffer.from(raw).toString('hex'))).size).toBe(1)
    expect(await readdir(directory.path)).toEqual(['key'])
  })

  it('leaves nothing behind when the disk fails', async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'key')
    const files = failingFileSystem(({ operation }) => (operation === 'sync' ? systemError('EIO') : undefined))
    await expect(loadOrCreateKey(path, files)).rejects.toMatchObject({ code: 'EIO' })
    expect(await readdir(directory.path)).toEqual([])
    await loadOrCreateKey(path, machineFileSystem)
  })
})

describe('loading', () => {
  it.each([0o644, 0o640, 0o604, 0o660])('refuses mode %o and never shows the key', async mode => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'key')
    const key = await loadOrCreateKey(path)
    await chmod(path, mode)
    const error = await loadOrCreateKey(path).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'KEY_FILE_EXPOSED', details: { path, mode: mode.toString(8) } })
    expect(JSON.stringify(error) + String(error)).not.toContain(Buffer.from(key.raw).toString('hex'))
  })

  it.each([
    ['nothing', ''],
    ['half a key', 'ab'.repeat(16)],
    ['no hex', 'zz'.repeat(32)],
    ['zero', '00'.repeat(32)],
    ['a number beyond the curve', 'ff'.repeat(32)],
    ['a large file', 'ab'.repeat(5000)]
  ])('refuses %s and does not replace it', async (_, text) => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'key')
    await writeFile(path, text, { mode: 0o600 })
    await expect(loadOrCreateKey(path)).rejects.toMatchObject({ code: 'KEY_FILE_INVALID' })
    expect(await readFile(path, 'utf8')).toBe(text)
  })

  it('says when there is none', async () => {
    await using directory = await temporaryDirectory()
    await expect(loadKey(join(directory.path, 'key'))).rejects.toMatchObject({ code: 'KEY_FILE_MISSING' })
  })
})
