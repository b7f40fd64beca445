/** The packages' READMEs, which stand alone in a registry: their programs compile and run, their commands are there. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Checkout, makeCheckout, REPOSITORY } from './checkout.ts'
import { parseMarkdown } from './markdown.ts'
import { runProgram } from './program.ts'
import { startTypeScript } from './typescript-block.ts'

const read = (name: string) => parseMarkdown(readFileSync(join(REPOSITORY, 'packages', name, 'README.md'), 'utf8'))

describe('README.md of a package', () => {
  let checkout: Checkout
  beforeAll(async () => {
    checkout = await makeCheckout()
  })
  afterAll(() => checkout?.[Symbol.asyncDispose]())

  it.each([
    ['proofs', /^bafkzci\w+ \{ ok: true \}\n$/],
    ['core', /^baf\w+ in bafkzci\w+, \d+ bytes\n$/]
  ])('%s: its program compiles and runs', async (name, printed) => {
    const programs = read(name).blocks.filter(({ language }) => language === 'ts')
    expect(programs).toHaveLength(1)
    await using program = await startTypeScript(checkout, programs[0]!)
    expect(await program.ended).toEqual({ code: 0, output: expect.stringMatching(printed), errors: '' })
  })

  it('peer: its commands are there', async () => {
    const commands = read('peer').codeSpans.filter(code => code.startsWith('holdfast '))
    expect(commands.length).toBeGreaterThan(3)
    for (const command of commands) {
      const words = command.split(' ').slice(1)
      const names = words.slice(
        0,
        words.findIndex(word => !/^[a-z]+$/.test(word))
      )
      const options = words.filter(word => word.startsWith('--'))
      await using program = runProgram('holdfast', [...names, '--help'], checkout.path)
      const { code, output } = await program.ended
      expect(code).toBe(0)
      expect(output).toContain(`Usage: holdfast ${names.join(' ')}`)
      for (const option of options) expect(output).toContain(option)
    }
  })
})
