/** Content with what trips programs up: depth, emptiness, odd names, a link, a file of several blocks. */
import { randomBytes } from 'node:crypto'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** @returns path of the tree, `name` below `parent` */
export async function writeSampleTree(parent: string, name = 'sample'): Promise<string> {
  const root = join(parent, name)
  await mkdir(join(root, 'nested', 'deeper', 'empty directory'), { recursive: true })
  await writeFile(join(root, 'empty file'), '')
  await writeFile(join(root, " ünïcødé 名前 #%&'$(x)~ ; rm -rf ~"), 'odd')
  await writeFile(join(root, '-n'), 'looks like an option')
  await writeFile(join(root, 'nested', 'deeper', 'letter.txt'), 'dear reader')
  await writeFile(join(root, 'nested', 'blocks.bin'), randomBytes(2_500_000))
  await symlink(join('nested', 'deeper', 'letter.txt'), join(root, 'link'))
  return root
}
