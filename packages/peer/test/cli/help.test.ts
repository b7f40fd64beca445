/** What `--help` says is what is parsed, and every command is said somewhere. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'

interface Named {
  readonly name: string
  readonly command: Command
}

function* commandsOf(command: Command, path: string): Generator<Named> {
  yield { name: path, command }
  for (const child of command.commands) yield* commandsOf(child, `${path} ${child.name()}`)
}

const program = createProgram(new AbortController().signal)
const commands = [...commandsOf(program, 'holdfast')]
const documents = await Promise.all(
  ['../../README.md', '../../../../README.md'].map(path => readFile(new URL(path, import.meta.url), 'utf8'))
)
const HELP = new Set(['-h', '--help'])

it('there are commands', () => {
  expect(commands.length).toBeGreaterThan(25)
})

describe.each(commands)('$name', ({ name, command }) => {
  it('says what it does', () => {
    expect(command.description()).toMatch(/^[A-Z].*[.!?]$/s)
    for (const argument of command.registeredArguments) expect(argument.description, argument.name()).not.toBe('')
    for (const option of command.options) expect(option.description, option.flags).not.toBe('')
  })

  it('parses each option that its help names, and its help names each that it parses', () => {
    const options = command
      .createHelp()
      .visibleOptions(command)
      .filter(({ long }) => !HELP.has(long ?? ''))
    const text = command.helpInformation()
    const inText = [...text.matchAll(/^ {2}(?:-\w, )?(--[a-z][a-z-]*)/gm)].map(match => match[1]!)
    expect(inText.filter(flag => !HELP.has(flag)).toSorted()).toEqual(options.map(({ long }) => long).toSorted())
    expect(options).toEqual(command.options.filter(({ hidden }) => !hidden))
  })

  it('stands in the help above it, and a command of its own in a README', () => {
    if (command.parent === null) return
    expect(command.parent.helpInformation()).toMatch(new RegExp(`^ {2}${command.name()}\\b`, 'm'))
    const [, top = ''] = name.split(' ')
    const isSaid = documents.some(text => new RegExp(`holdfast[^\\n\`]* ${top}\\b|\`${top}\\b`).test(text))
    expect(isSaid, `${name} is in no README`).toBe(true)
  })
})
