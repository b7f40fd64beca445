import { describe, expect, it } from 'vitest'
import { parseMarkdown } from './markdown.ts'
import { findUnquoted } from './transcript.ts'

const OUTPUT = `
Round 7
  provider-2   pid 20109    provider
  root   bafybeiadgaezg3g4nbp5onlzu6rdvyxxlpnhkn2vza5t4d326kx7exzpny
✔ everything equal: 24 files, 89.1 KiB
the end
`

describe('findUnquoted', () => {
  it('finds a quotation whose numbers, names and sizes are those of another run', () => {
    const quotation = `Round 12
provider-1  pid 7  provider
…
✔ everything equal: 3 files, 1.0 MiB
the end`
    expect(findUnquoted(quotation, OUTPUT)).toBeUndefined()
  })

  it.each([
    ['another wording', 'Round 7 of 9', 'Round N of N'],
    ['lines left out without saying so', 'Round 7\nthe end', 'Round N\nthe end'],
    ['the wrong order', 'the end\n…\nRound 7', 'Round N'],
    ['a line twice', 'the end\n…\nthe end', 'the end']
  ])('finds %s', (_, quotation, missing) => {
    expect(findUnquoted(quotation, OUTPUT)).toBe(missing)
  })
})

describe('parseMarkdown', () => {
  it('tells blocks, code, links and headings apart', () => {
    const markdown = '# A `b` Title\n\nSee [it](FILE.md#part) and `code`.\n\n```sh\n# no heading\nrun `this`\n```\n'
    expect(parseMarkdown(markdown)).toEqual({
      blocks: [{ language: 'sh', text: '# no heading\nrun `this`', line: 5 }],
      codeSpans: ['b', 'code'],
      links: ['FILE.md#part'],
      anchors: ['a-b-title']
    })
  })

  it('refuses a block without an end', () => {
    expect(() => parseMarkdown('```sh\nrun')).toThrow('line 1')
  })
})
