import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import type { ContentEntry } from '@holdfast/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isConfinedTarget } from '../../src/files/confined-target.ts'
import { writeTree } from '../../src/files/index.ts'
import { listTree, temporaryDirectory } from './temporary-directory.ts'

const path = temporaryDirectory()

const directory = (...names: string[]): ContentEntry => ({ path: names, kind: 'directory' })
const link = (target: string, ...names: string[]): ContentEntry => ({ path: names, kind: 'symlink', target })
const file = (text: string, ...names: string[]): ContentEntry => ({
  path: names,
  kind: 'file',
  sizeBytes: BigInt(text.length),
  content: async function* () {
    for (const char of text) yield Buffer.from(char)
  }
})

async function* entriesOf(...entries: ContentEntry[]): AsyncGenerator<ContentEntry> {
  yield* entries
}

describe('writeTree', () => {
  it('writes directories, files and links, and says what it wrote', async () => {
    const entries = entriesOf(
      directory(),
      directory('d'),
      directory('d', 'e'),
      file('hello', 'd', 'e', 'f'),
      file('', 'empty'),
      link('d/e/f', 'link'),
      link('../empty', 'd', 'up')
    )
    expect(await writeTree(path('out'), entries)).toEqual({ fileCount: 2, contentSizeBytes: 5n, skippedSymlinks: [] })
    expect(await listTree(path())).toEqual([
      'out/',
      'out/d/',
      'out/d/e/',
      'out/d/e/f 5',
      'out/d/up -> ../empty',
      'out/empty 0',
      'out/link -> d/e/f'
    ])
    expect(await readFile(path('out/link'), 'utf8')).toBe('hello')
  })

  it('makes an object that is one file a file at the path, even where an empty directory was', async () => {
    await mkdir(path('there'))
    for (const name of ['new', 'there']) {
      await writeTree(path(name), entriesOf(file('alone')))
      expect(await readFile(path(name), 'utf8')).toBe('alone')
    }
    expect(await listTree(path())).toEqual(['new 5', 'there 5'])
  })

  it('takes an empty directory that exists', async () => {
    await mkdir(path('out'))
    await writeTree(path('out'), entriesOf(directory(), file('x', 'a')))
    expect(await listTree(path())).toEqual(['out/', 'out/a 1'])
  })

  it('refuses a directory that holds something, a file, and a link to a file', async () => {
    await mkdir(path('full'))
    await writeFile(path('full/mine'), 'mine')
    await writeFile(path('file'), 'mine')
    await symlink('file', path('link'))
    for (const name of ['full', 'file', 'link']) {
      await expect(writeTree(path(name), entriesOf(directory()))).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' })
    }
    expect(await listTree(path())).toEqual(['file 4', 'full/', 'full/mine 4', 'link -> file'])
  })

  it('leaves links out that lead outside, and reports them', async () => {
    const away = ['/etc/passwd', '..', '../x', 'd/../../x', 'd/..', 'a\\b', '', 'x\0y']
    const entries = [
      directory(),
      directory('d'),
      ...away.map((target, i) => link(target, `l${i}`)),
      link('d', 'inside')
    ]
    const written = await writeTree(path('out'), entriesOf(...entries))
    expect(written.skippedSymlinks.map(({ target }) => target)).toEqual(away)
    expect(await listTree(path('out'))).toEqual(['d/', 'inside -> d'])
  })

  it('writes nothing through a link of the same tree', async () => {
    await mkdir(path('victim'))
    const entries = entriesOf(directory(), link('../victim', 'd'), file('evil', 'd', 'f'))
    await expect(writeTree(path('out'), entries)).rejects.toMatchObject({ code: 'TARGET_UNWRITABLE' })
    expect(await listTree(path())).toEqual(['victim/'])
  })

  const failures: Array<[string, ContentEntry[], object]> = [
    ['an unsafe name', [directory(), file('x', '..', 'escape')], { code: 'UNSAFE_NAME' }],
    ['one name twice', [directory(), file('x', 'a'), file('y', 'a')], { code: 'TARGET_CONFLICT' }],
    ['a file below a file', [directory(), file('x', 'a'), file('y', 'a', 'b')], { code: 'TARGET_UNWRITABLE' }],
    ['no entry at all', [], { code: 'TARGET_UNWRITABLE' }]
  ]
  it.each(failures)('leaves the target as it was after %s', async (_, entries, error) => {
    await expect(writeTree(path('out'), entriesOf(...entries))).rejects.toMatchObject(error)
    expect(await listTree(path())).toEqual([])
    await mkdir(path('empty'))
    await expect(writeTree(path('empty'), entriesOf(...entries))).rejects.toMatchObject(error)
    expect(await listTree(path())).toEqual(['empty/'])
  })

  it('leaves nothing behind when the content fails, and throws that failure', async () => {
    const failing: ContentEntry = {
      ...(file('x', 'b') as ContentEntry & { kind: 'file' }),
      content: async function* () {
        yield Buffer.from('half')
        throw new Error('wrong block')
      }
    }
    await expect(writeTree(path('out'), entriesOf(directory(), file('x', 'a'), failing))).rejects.toThrow('wrong block')
    expect(await listTree(path())).toEqual([])
  })

  it.each(['before', 'between entries', 'inside a file', 'while it hangs'])(
    'aborted %s: leaves nothing',
    async when => {
      const controller = new AbortController()
      const stop = () => controller.abort(new Error('stop'))
      if (when === 'before') stop()
      const entries = async function* (): AsyncGenerator<ContentEntry> {
        yield directory()
        yield file('x', 'a')
        if (when === 'between entries') stop()
        yield {
          ...(file('y', 'b') as ContentEntry & { kind: 'file' }),
          content: async function* () {
            yield Buffer.from('y')
            if (when === 'inside a file') stop()
            yield Buffer.from('z')
            queueMicrotask(stop)
            await new Promise<never>(() => {})
          }
        }
      }
      await expect(writeTree(path('out'), entries(), { signal: controller.signal })).rejects.toThrow('stop')
      expect(await listTree(path())).toEqual([])
    }
  )

  it('says when the place cannot be written', async () => {
    await expect(writeTree(path('no/such/out'), entriesOf(directory()))).rejects.toMatchObject({
      code: 'TARGET_UNWRITABLE',
      details: { systemCode: 'ENOENT' }
    })
  })
})

describe('isConfinedTarget', () => {
  it('keeps every target inside, also through other confined links', () => {
    // A model of the kernel: a tree of names where any may be a confined link, resolved step by step.
    const name = fc.constantFrom('a', 'b', 'c')
    const target = fc.array(fc.constantFrom('a', 'b', 'c', '..', '.'), { minLength: 1, maxLength: 5 })
    const links = fc.dictionary(
      fc.array(name, { minLength: 1, maxLength: 3 }).map(names => names.join('/')),
      target
    )
    fc.assert(
      fc.property(links, fc.array(name, { minLength: 1, maxLength: 4 }), (made, start) => {
        const confined = new Map(
          Object.entries(made).filter(([at, to]) => isConfinedTarget(to.join('/'), at.split('/').length - 1))
        )
        expect(() => resolveIn(confined, start)).not.toThrow()
      }),
      { numRuns: 2000 }
    )
  })

  it('refuses two links that are inside each and lead outside together', () => {
    expect(isConfinedTarget('../../..', 3)).toBe(true)
    expect(isConfinedTarget('deep/a/b/link/x/../..', 0)).toBe(false)
  })
})

/** Follows `names` from the root; throws when a step climbs above it. Gives up on loops, as the kernel does. */
function resolveIn(links: ReadonlyMap<string, string[]>, names: readonly string[]): void {
  const todo = [...names]
  const at: string[] = []
  for (let hops = 0; todo.length > 0 && hops < 100; hops++) {
    const name = todo.shift()!
    if (name === '.') continue
    if (name === '..') {
      if (at.length === 0) throw new Error(`left the root on the way to ${names.join('/')}`)
      at.pop()
      continue
    }
    const target = links.get([...at, name].join('/'))
    if (target === undefined) at.push(name)
    else todo.unshift(...target)
  }
}
