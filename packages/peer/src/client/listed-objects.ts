/** An account's list of objects: how an entry is made, found, replaced and shown. */
import { formatObjectName, type ListedObject, type ObjectReference } from '@holdfast/core'
import type { CID } from 'multiformats/cid'
import type { StagedObject } from '../staging/stage-object.ts'
import type { ListedReference } from './client-types.ts'

/** What the list says of an object that was just stored. */
export function listEntry(name: string, { root, reference, contentSizeBytes }: StagedObject): ListedObject {
  const secret = reference && { secret: reference.secret, layout: reference.layout, pieceCount: reference.pieceCount }
  return { name: name.slice(0, 1024), root, private: secret ?? null, contentSizeBytes, storedMs: Date.now() }
}

/** The same object under another name is one object; under the same name there is nothing to change. */
export function withEntry(objects: readonly ListedObject[], entry: ListedObject): readonly ListedObject[] {
  const isSame = (one: ListedObject) => one.root.equals(entry.root) && isSameSecret(one, entry.private ?? entry.root)
  if (objects.some(one => isSame(one) && one.name === entry.name)) return objects
  return [...objects.filter(one => !isSame(one)), entry]
}

/** Whether an entry is of an object with this secret; or of a public one, where a root stands for it. */
export function isSameSecret({ private: own }: ListedObject, other: CID | Pick<ObjectReference, 'secret'>): boolean {
  if (!('secret' in other)) return own === null
  return own !== null && Buffer.compare(own.secret, other.secret) === 0
}

/** An entry as apps see it. */
export function toListed({ private: own, ...object }: ListedObject): ListedReference {
  const reference = formatObjectName(own === null ? object.root : { root: object.root, ...own })
  return { ...object, reference, isPrivate: own !== null }
}
