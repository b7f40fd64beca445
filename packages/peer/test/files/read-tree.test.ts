import { execFileSync } from 'node:child_process'
import { appendFile, mkdir, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { measureTree, readTree } from '../../src/files/index.ts'
import { gather, temporaryDirectory } from './temporary-directory.ts'

const MIB = 1024 * 1024
/** The same for a file and its replacement, so that only the inode tells them apart. */
const WRITTEN_AT = new Date('2026-01-01')
const path = temporaryDirectory()

async function describeTree(root: string, ignore?: (path: string) => boolean): Promise<string[]> {
  const lines: string[] = []
  for await (const entry of readTree(root, ignore === undefined ? {} : { ignore })) {
    if (entry.kind === 'symlink') lines.push(`${entry.path} -> ${entry.target}`)
    else if (entry.kind === 'directory') lines.push(`${entry.path}/`)
    else lines.push(`${entry.path} ${Buffer.concat(await gather(entry.content)).length}`)
  }
  return lines
}

describe('readTree', () => {
  it('yields depth first, directories before what they hold, names by their bytes', async () => {
    await mkdir(path('t/b/c'), { recursive: true })
    await mkdir(path('t/empty'))
    for (const name of ['b.x', 'b/z', 'b/c/y', 'B', 'a', '\uff5e', '😀', 'b-']) await writeFile(path('t', name), name)
    expect(await describeTree(path('t'))).toEqual([
      'B 1',
      'a 1',
      'b/',
      'b/c/',
      'b/c/y 5',
      'b/z 3',
      'b- 2',
      'b.x 3',
      'empty/',
      '\uff5e 3',
      '😀 4'
    ])
  })

  it('reads whole chunks of 1 MiB and the exact bytes', async () => {
    const bytes = Buffer.from(Uint8Array.from({ length: 2 * MIB + 5 }, (_, i) => (i * 7) & 0xff))
    await writeFile(path('f'), bytes)
    for await (const entry of readTree(path('f'))) {
      expect(entry).toMatchObject({ path: '', kind: 'file', sizeBytes: bytes.length })
      const chunks = await gather((entry as { content: AsyncIterable<Uint8Array> }).content)
      expect(chunks.map(chunk => chunk.length)).toEqual([MIB, MIB, 5])
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
    }
  })

  it('leaves out what is ignored, with all it holds', async () => {
    await mkdir(path('t/node_modules/x'), { recursive: true })
    await mkdir(path('t/src/node_modules'), { recursive: true })
    await writeFile(path('t/src/a'), 'a')
    const seen: string[] = []
    const ignore = (name: string) => {
      seen.push(name)
      return name.split('/').at(-1) === 'node_modules'
    }
    expect(await describeTree(path('t'), ignore)).toEqual(['src/', 'src/a 1'])
    expect(seen).not.toContain('node_modules/x')
  })

  it('follows PATH itself and no link inside, so a loop inside cannot hang', async () => {
    await mkdir(path('t/d'), { recursive: true })
    await symlink('..', path('t/d/up'))
    await symlink('self', path('t/self'))
    await symlink('/etc/passwd', path('t/away'))
    await symlink(path('t'), path('link'))
    expect(await describeTree(path('link'))).toEqual(['away -> /etc/passwd', 'd/', 'd/up -> ..', 'self -> self'])
  })

  it('says what is wrong with PATH', async () => {
    await symlink('loop', path('loop'))
    await symlink('nowhere', path('dangling'))
    await writeFile(path('file'), 'x')
    execFileSync('mkfifo', [path('fifo')])
    const wrong: Array<[string, string]> = [
      [path('missing'), 'PATH_MISSING'],
      [path('dangling'), 'PATH_MISSING'],
      [path('file', 'below'), 'PATH_MISSING'],
      [path('loop'), 'PATH_SYMLINK_LOOP'],
      [path('fifo'), 'PATH_NOT_A_FILE'],
      ['/dev/null', 'PATH_NOT_A_FILE']
    ]
    for (const [root, code] of wrong) await expect(describeTree(root), root).rejects.toMatchObject({ code })
  })

  it('refuses a socket or a fifo inside the tree without waiting for it', async () => {
    await mkdir(path('sockets'))
    const server = createServer().listen(path('sockets', 's'))
    await new Promise(resolve => server.once('listening', resolve))
    await expect(describeTree(path('sockets'))).rejects.toMatchObject({ code: 'PATH_NOT_A_FILE' })
    server.close()
    await mkdir(path('fifos'))
    execFileSync('mkfifo', [path('fifos', 'f')])
    await expect(describeTree(path('fifos'))).rejects.toMatchObject({ code: 'PATH_NOT_A_FILE' })
  })

  it.skipIf(process.getuid?.() === 0)('says when it may not read', async () => {
    await writeFile(path('secret'), 'x', { mode: 0 })
    await expect(describeTree(path('secret'))).rejects.toMatchObject({ code: 'PATH_UNREADABLE' })
  })

  it('refuses a name that is not UTF-8', async () => {
    await mkdir(path('t'))
    await writeFile(Buffer.concat([Buffer.from(path('t', 'x')), Buffer.of(0xff)]), 'x')
    await expect(describeTree(path('t'))).rejects.toMatchObject({ code: 'PATH_UNREADABLE' })
  })

  const changes: Array<[string, (file: string) => Promise<unknown>]> = [
    ['grows', file => appendFile(file, 'more')],
    ['shrinks', file => truncate(file, MIB + 1)],
    ['is touched', file => utimes(file, new Date(0), new Date(0))],
    ['goes away', file => rm(file)],
    [
      'is replaced by its equal',
      async file => {
        await writeFile(`${file}.new`, new Uint8Array(3 * MIB))
        await utimes(`${file}.new`, WRITTEN_AT, WRITTEN_AT)
        await rename(`${file}.new`, file)
      }
    ],
    [
      'becomes a link',
      async file => {
        await rename(file, `${file}.old`)
        await symlink(`${file}.old`, file)
      }
    ]
  ]
  it.each(changes)('throws SOURCE_CHANGED for a file that %s while it is read', async (_, change) => {
    await mkdir(path('t'))
    for (const readFirst of [true, false]) {
      await writeFile(path('t/f'), new Uint8Array(3 * MIB))
      await utimes(path('t/f'), WRITTEN_AT, WRITTEN_AT)
      const [entry] = await firstOf(readTree(path('t'), { ignore: name => name !== 'f' }))
      const chunks = (entry as { content: AsyncIterable<Uint8Array> }).content[Symbol.asyncIterator]()
      if (readFirst) await chunks.next()
      await change(path('t/f'))
      const rest = gather({ [Symbol.asyncIterator]: () => chunks })
      await expect(rest).rejects.toMatchObject({ code: 'SOURCE_CHANGED', details: { path: path('t/f') } })
      await rm(path('t/f'), { force: true })
    }
  })

  it('throws SOURCE_CHANGED for an entry that goes away between listing and reading', async () => {
    await mkdir(path('t'))
    for (const name of ['a', 'b']) await writeFile(path('t', name), name)
    const entries = readTree(path('t'))
    await entries.next()
    await rm(path('t/b'))
    await expect(entries.next()).rejects.toMatchObject({ code: 'SOURCE_CHANGED', details: { path: path('t/b') } })
  })
})

describe('measureTree', () => {
  it('gives what readTree will read', async () => {
    await mkdir(path('t/d'), { recursive: true })
    await writeFile(path('t/a'), new Uint8Array(10))
    await writeFile(path('t/d/b'), new Uint8Array(5))
    await writeFile(path('t/c'), new Uint8Array(5))
    expect(await measureTree(path('t'), { ignore: name => name === 'c' })).toEqual({
      fileCount: 2,
      contentSizeBytes: 15
    })
  })
})

async function firstOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  for await (const item of items) return [item]
  return []
}
