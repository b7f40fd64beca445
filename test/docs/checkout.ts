/**
 * A checkout to run README's blocks in, word for word: they write to `../devnet` and `../donor`, and must neither meet
 * nor leave anything beside the real one.
 */
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url))

export interface Checkout extends AsyncDisposable {
  /** Has the repository's sources, and its packages as they are installed and built. */
  readonly path: string
  /** The directory beside it of that name. */
  beside(name: string): string
}

const isSource = (path: string) => !/[\\/](node_modules|dist)$/.test(path)

export async function makeCheckout(): Promise<Checkout> {
  const parent = await mkdtemp(join(tmpdir(), 'holdfast-readme-'))
  const path = join(parent, 'holdfast')
  await mkdir(path)
  const files = (await readdir(REPOSITORY, { withFileTypes: true })).filter(entry => entry.isFile())
  for (const name of [...files.map(({ name }) => name), 'packages', 'examples']) {
    await cp(join(REPOSITORY, name), join(path, name), { recursive: true, filter: isSource })
  }
  await symlink(join(REPOSITORY, 'node_modules'), join(path, 'node_modules'), 'junction')
  return {
    path,
    beside: name => join(parent, name),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true, force: true })
  }
}
