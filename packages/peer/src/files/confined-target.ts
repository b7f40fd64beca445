import { checkEntryName } from '@holdfast/core'

/**
 * Whether a symbolic link may be written into a tree that strangers made: only where it cannot lead out of the tree,
 * not even through other links of the same tree.
 *
 * A target passes when it is relative, climbs at its beginning only and no higher than the root, and names nothing
 * unsafe. `..` behind a name is refused even where it looks harmless: when the name is a link itself, the climb starts
 * somewhere else, and two links that are each inside can together lead outside.
 *
 * @param depth - how many directories of the tree the link stands in; 0 at the root
 */
export function isConfinedTarget(target: string, depth: number): boolean {
  const names = target.split('/').filter(name => name !== '.')
  const climbs = names.findIndex(name => name !== '..')
  const rest = climbs === -1 ? [] : names.slice(climbs)
  const height = names.length - rest.length
  return target !== '' && height <= depth && rest.every(name => checkEntryName(name).ok)
}
