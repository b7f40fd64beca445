/** A TypeScript block of a document, as its reader would try it: compiled strictly, then run. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Checkout } from './checkout.ts'
import type { Block } from './markdown.ts'
import { type Program, runProgram } from './program.ts'

/** @returns the program, running at the root of the checkout; the caller waits for its end */
export async function startTypeScript(checkout: Checkout, { text, line }: Block): Promise<Program> {
  const name = `block-of-line-${line}`
  await writeFile(join(checkout.path, `${name}.ts`), text)
  const tsconfig = {
    extends: './tsconfig.base.json',
    compilerOptions: { noEmit: true, composite: false, types: ['node'], rewriteRelativeImportExtensions: false },
    files: [`${name}.ts`]
  }
  await writeFile(join(checkout.path, `${name}.json`), JSON.stringify(tsconfig))
  await using compiler = runProgram('tsc', ['-p', `${name}.json`], checkout.path)
  expect(await compiler.ended).toMatchObject({ code: 0, output: '' })
  return runProgram(process.execPath, [`${name}.ts`], checkout.path)
}
