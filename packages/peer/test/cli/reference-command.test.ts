import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatReference } from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { referenceCommand } from '../../src/cli/reference-command.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { captureOutput } from './captured-output.ts'

const REFERENCE = formatReference({
  root: CID.parse('bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'),
  secret: new Uint8Array(32).fill(7),
  layout: 'distinct',
  pieceCount: 2
})

let life = new AsyncDisposableStack()
let directory: string
beforeEach(async () => {
  directory = life.use(await temporaryDirectory()).path
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, text)
  return path
}

async function run(...said: string[]): Promise<string> {
  using output = captureOutput(process.stdout)
  await referenceCommand(new AbortController().signal).parseAsync(said, { from: 'user' })
  return output.text
}

it('locks a reference under a passphrase and opens it again', async () => {
  const passphrase = await fileOf('passphrase', 'correct horse\nand more\n')
  const given = await fileOf('reference', `${REFERENCE}\n`)
  const locked = await run('export', `@${given}`, '--passphrase-file', passphrase)
  expect(locked).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----\n/)
  expect(locked).not.toContain(REFERENCE)
  const file = await fileOf('locked.age', locked)
  expect(await run('import', file, '--passphrase-file', passphrase)).toBe(`${REFERENCE}\n`)
  const wrong = await fileOf('wrong', 'incorrect horse\n')
  await expect(run('import', file, '--passphrase-file', wrong)).rejects.toMatchObject({
    code: 'LOCKED',
    message: expect.stringMatching(/wrong key/)
  })
  expect(await readFile(file, 'utf8')).toBe(locked)
})

it.each([
  ['a reference that is misspelled', () => [`${REFERENCE}x`, '--passphrase-file', 'p'], 'REFERENCE_INVALID'],
  ['no way to lock it', () => [REFERENCE], 'OPTION_INVALID'],
  ['two ways to lock it', () => [REFERENCE, '--passphrase-file', 'p', '--recipient', 'age1x'], 'OPTION_INVALID'],
  ['a key that is none', () => [REFERENCE, '--recipient', 'age1x'], 'RECIPIENT_INVALID'],
  ['a file that is not there', () => ['@/nowhere/at/all', '--recipient', 'age1x'], 'PATH_MISSING']
] as const)('refuses %s', async (_, said, code) => {
  await expect(run('export', ...said())).rejects.toMatchObject({ code })
})
