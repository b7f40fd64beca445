/**
 * README.md is run: every block against one devnet, in the order in which it stands there, and what it says a command
 * prints against what that command printed.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Checkout, makeCheckout, REPOSITORY } from './checkout.ts'
import { type Block, parseMarkdown } from './markdown.ts'
import { type Program, runProgram } from './program.ts'
import { findUnquoted } from './transcript.ts'
import { startTypeScript } from './typescript-block.ts'

const { blocks, codeSpans } = parseMarkdown(readFileSync(join(REPOSITORY, 'README.md'), 'utf8'))
const { scripts } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

const STORY = fileURLToPath(new URL('story-process.ts', import.meta.url))
/** Commands that need a whole run of their own; the story stands for the first and the third. */
const NPM_COMMANDS = ['npm start', 'npm test', 'npm start -- --directory ../devnet']
const isDaemon = (block: Block) => block.text.split('\n').at(-1)!.startsWith('npx holdfast start ')

const MINUTE_MS = 60_000

describe('README.md', () => {
  let checkout: Checkout
  let story: Program

  beforeAll(async () => {
    checkout = await makeCheckout()
    story = runProgram(
      process.execPath,
      [STORY, join(checkout.path, 'packages'), checkout.beside('devnet')],
      checkout.path
    )
    await story.until(output => output.includes('The network stays up'))
  }, 3 * MINUTE_MS)

  afterAll(async () => {
    await story?.[Symbol.asyncDispose]()
    await checkout?.[Symbol.asyncDispose]()
  })

  /** What README says the block before it prints; '' when it shows nothing. */
  function quotationAfter(block: Block): string {
    const next = blocks[blocks.indexOf(block) + 1]
    return next?.language === 'text' ? next.text : ''
  }

  async function expectToPrint(program: Program, block: Block): Promise<void> {
    const { code, output, errors } = await program.ended
    expect({ code, errors: code === 0 ? '' : errors }).toEqual({ code: 0, errors: '' })
    expect(findUnquoted(quotationAfter(block), output)).toBeUndefined()
  }

  it('has only blocks that are run, and what they print', () => {
    const languages = new Set(blocks.map(({ language }) => language))
    expect([...languages].sort()).toEqual(['sh', 'text', 'ts'])
    const texts = blocks.filter(({ language }) => language === 'text')
    const drawing = blocks[0]!
    expect(drawing.text).toContain('│   client   │')
    const unowned = texts.filter(block => block !== drawing && blocks[blocks.indexOf(block) - 1]?.language === 'text')
    expect(unowned).toEqual([])
  })

  it('names npm commands that there are', () => {
    const named = blocks.map(({ text }) => text).filter(text => /^npm (start|test|run)\b/.test(text))
    expect(named).toEqual(NPM_COMMANDS)
    expect(scripts).toMatchObject({ start: 'node scripts/run.mjs start', test: 'node scripts/run.mjs test' })
  })

  it('shows what npm start prints', () => {
    const block = blocks.find(({ text }) => text === 'npm start')!
    expect(quotationAfter(block)).not.toBe('')
    expect(findUnquoted(quotationAfter(block), story.output())).toBeUndefined()
  })

  it('names directories that the network really has', () => {
    const named = codeSpans.filter(code => code.startsWith('../'))
    expect(named).toContain('../devnet')
    expect(named.filter(path => !existsSync(join(checkout.path, path)))).toEqual([])
  })

  it('says how npm test ends', () => {
    expect(codeSpans).toContain('N passed, 0 failed')
    const reporter = readFileSync(join(REPOSITORY, 'scripts', 'count-reporter.mjs'), 'utf8')
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the reporter's own source
    expect(reporter).toContain('${counts.passed} passed, ${counts.failed} failed')
  })

  const commands = blocks.filter(({ language, text }) => language === 'sh' && !NPM_COMMANDS.includes(text))
  it.each(commands.map(block => [block.line, block.text.split('\n').at(-1), block] as const))(
    'line %i: %s',
    async (_line, _command, block) => {
      await using program = runProgram('sh', ['-euc', block.text], checkout.path)
      if (isDaemon(block)) {
        await program.until(output => findUnquoted(quotationAfter(block), output) === undefined)
        program.interrupt()
        await program.ended
      } else await expectToPrint(program, block)
    },
    MINUTE_MS
  )

  const programs = blocks.filter(({ language }) => language === 'ts')
  it.each(programs.map(block => [block.line, block] as const))(
    'line %i: a program that compiles and runs',
    async (_line, block) => {
      await using program = await startTypeScript(checkout, block)
      await expectToPrint(program, block)
    },
    MINUTE_MS
  )
})
