/** What a list becomes when several clients of one account have changed it at once. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { ListedObject } from '../pieces/index.ts'

/**
 * Takes what each list has changed since the one that they come from: an entry that any of them added stays, one that any
 * of them removed goes. Entries keep their order, new ones stand behind.
 *
 * @param base - without one nobody knows what was removed, and everything that any list has stays
 */
export function mergeLists(
  base: readonly ListedObject[] | undefined,
  lists: Iterable<readonly ListedObject[]>
): ListedObject[] {
  const known = byKey(base ?? [])
  const merged = new Map(known)
  const all = Array.from(lists, byKey)
  for (const list of all) for (const [key, entry] of list) if (!known.has(key)) merged.set(key, entry)
  for (const list of all) for (const key of known.keys()) if (!list.has(key)) merged.delete(key)
  return [...merged.values()]
}

/** Whether two lists have the same entries, in any order. */
export function areSameLists(a: readonly ListedObject[], b: readonly ListedObject[]): boolean {
  const [x, y] = [byKey(a), byKey(b)]
  return x.size === y.size && [...x.keys()].every(key => y.has(key))
}

function byKey(objects: readonly ListedObject[]): Map<string, ListedObject> {
  return new Map(objects.map(one => [keyOf(one), one]))
}

/** An entry is never changed: an object under another name is another entry. */
function keyOf({ name, root, private: own }: ListedObject): string {
  return JSON.stringify([name, root.toString(), own === null ? '' : bytesToHex(own.secret)])
}
