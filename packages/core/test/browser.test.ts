/** Core runs where nothing of Node is: no module of it can be loaded, and neither `process` nor `Buffer` exists. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const CHILD = new URL('browser-program.ts', import.meta.url).pathname

it('packs, encrypts and reads back without anything of Node', { timeout: 60_000 }, async () => {
  const run = promisify(execFile)(process.execPath, [CHILD])
  expect(JSON.parse((await run).stdout)).toEqual({ exports: expect.any(Number), private: true, public: true })
})
