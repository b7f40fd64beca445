/** Keys as a user makes them; locking them and bringing them back is in test/e2e/donor. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { captureOutput } from './captured-output.ts'

const run = (...words: string[]) =>
  createProgram(new AbortController().signal).parseAsync(['node', 'holdfast', ...words])

it('a key is made where there is no directory yet, and never twice in one place', async () => {
  await using directory = await temporaryDirectory()
  const { path } = directory
  using output = captureOutput(process.stdout)
  await run('key', 'create', '--directory', join(path, 'new', 'peer'))
  const address = output.text.trim()
  expect(address).toMatch(/^0x[0-9a-f]{40}$/)
  const keyFile = join(path, 'new', 'peer', 'key')
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600)
  await run('key', 'show', '--key', keyFile)
  expect(output.text).toBe(`${address}\n${address}\n`)
  await expect(run('key', 'create', '--key', keyFile)).rejects.toMatchObject({ code: 'KEY_FILE_EXISTS' })
})
