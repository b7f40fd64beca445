/** What the documents name is there: links, files, packages, identifiers. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { dataDirectoryPaths } from '@holdfast/peer'
import { describe, expect, it } from 'vitest'
import { REPOSITORY } from './checkout.ts'
import { parseMarkdown } from './markdown.ts'

const PACKAGES = ['proofs', 'core', 'peer']
const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', ...PACKAGES.map(name => `packages/${name}/README.md`)]

const sources = PACKAGES.flatMap(name => {
  const directory = join(REPOSITORY, 'packages', name, 'src')
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .map(path => readFileSync(join(directory, path), 'utf8'))
}).join('\n')

/** Names on a peer's disk, which are not names in the repository. */
const dataNames = [
  ...Object.values(dataDirectoryPaths('')).map(path => path.replace(/\/$/, '')),
  'incoming',
  'ledger/heads'
]

const isPath = (code: string) => /^[\w.@-]+(\/[\w.@-]*)+$/.test(code) || /^[\w.-]+\.(ts|md|json|mjs|toml)$/.test(code)
const isIdentifier = (code: string) => /^([a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Z]+(_[A-Z]+)+)(\(.*\))?$/.test(code)

function exportedSubpaths(name: string): string[] {
  const manifest = readFileSync(join(REPOSITORY, 'packages', name, 'package.json'), 'utf8')
  const { exports } = JSON.parse(manifest) as { exports: Record<string, unknown> }
  return Object.keys(exports).map(subpath => join('@holdfast', name, subpath))
}

/** As seen from the repository, from a package or from its sources. */
const isThere = (path: string) =>
  ['', ...PACKAGES.flatMap(name => [join('packages', name), join('packages', name, 'src')])].some(base =>
    existsSync(join(REPOSITORY, base, path))
  )

describe.each(DOCUMENTS)('%s', name => {
  const text = readFileSync(join(REPOSITORY, name), 'utf8')
  const { codeSpans, links, blocks } = parseMarkdown(text)

  it('links to what is there', () => {
    const broken = links.filter(link => {
      const [path = '', anchor] = link.split('#')
      const target = join(REPOSITORY, path === '' ? name : join(dirname(name), path))
      if (!existsSync(target)) return true
      return anchor !== undefined && !parseMarkdown(readFileSync(target, 'utf8')).anchors.includes(anchor)
    })
    expect(broken).toEqual([])
  })

  it('names packages that can be imported', () => {
    const subpaths = PACKAGES.flatMap(exportedSubpaths)
    const named = Array.from(text.matchAll(/@holdfast\/[\w/]+/g), ([specifier]) => specifier)
    expect(named.filter(specifier => !subpaths.includes(specifier))).toEqual([])
  })

  it('names files that are there', () => {
    // What lies beside the checkout is made by README's own blocks; readme.test.ts looks for it.
    const named = codeSpans.filter(code => isPath(code) && !code.startsWith('@') && !code.startsWith('../'))
    const missing = named.filter(path => !isThere(path) && !dataNames.includes(path.replace(/\/$/, '')))
    expect(missing).toEqual([])
  })

  it('names identifiers that are in the source', () => {
    const named = codeSpans.filter(isIdentifier).map(code => code.replace(/\(.*$/, ''))
    expect(named.filter(identifier => !new RegExp(`\\b${identifier}\\b`).test(sources))).toEqual([])
  })

  if (name === 'ARCHITECTURE.md') {
    it('maps folders and files that are there', () => {
      const map = blocks.find(({ text: block }) => block.startsWith('packages/proofs/src'))!
      let base = ''
      const missing: string[] = []
      for (const line of map.text.split('\n')) {
        const isInside = line.startsWith('  ')
        // A second column of names, or prose, begins after two spaces.
        const names = line.trim().split(/ {2,}/)[0]!.split(' ')
        if (!isInside) base = names[0]!
        missing.push(...names.filter(path => !existsSync(join(REPOSITORY, isInside ? join(base, path) : path))))
      }
      expect(missing).toEqual([])
    })
  }
})
