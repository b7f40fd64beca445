/** Packs, stores and lists, so that the same put again goes on where the one before stopped and pays nothing twice. */
import { join } from 'node:path'
import {
  CoreError,
  findObjectDeals,
  formatObjectName,
  type ListComponents,
  type ListedObject,
  readStoredObjectList,
  type StoredReplica
} from '@holdfast/core'
import type { DiskSource, StagedObject } from '../staging/stage-object.ts'
import type { CallOptions, Client, PackOptions, PutOptions, PutResult, StoreWishes } from './client-types.ts'
import { isSameSecret, listEntry, withEntry } from './listed-objects.ts'

export interface PutComponents {
  readonly client: Pick<Client, 'address' | 'ledger' | 'pack' | 'quote' | 'store'>
  /** What it takes to pay. @throws {PeerError} `NO_KEY` */
  readonly paying: (options?: CallOptions) => Promise<ListComponents>
  readonly changeList: (
    change: (objects: readonly ListedObject[]) => readonly ListedObject[],
    wishes: StoreWishes
  ) => Promise<void>
  readonly replicasDefault: number
}

/** See `Client.put`. */
export async function putObject(
  components: PutComponents,
  source: DiskSource,
  { name = nameOf(source), list = true, onPacked, ...wishes }: PutOptions = {}
): Promise<PutResult> {
  const { client, paying, changeList, replicasDefault } = components
  await paying(wishes)
  const replicaCount = wishes.replicas ?? replicasDefault
  await using packed = await client.pack(source, { replicaCount, ...wishes })
  await using again = list ? await packAsListed(components, source, packed, { replicaCount, ...wishes }) : undefined
  const object = again ?? packed
  const replicas = await storeOrLeave(client, object, { ...wishes, onPacked })
  const reference = formatObjectName(object.reference ?? object.root)
  const entry = listEntry(name, object)
  const notListed = list ? await reasonOf(changeList(objects => withEntry(objects, entry), wishes)) : undefined
  return { root: object.root, reference, isPrivate: object.reference !== undefined, replicas, notListed }
}

/**
 * Content that the account stores already is packed again under the secret that it has: then the same put finds what
 * stands, and pays nothing twice.
 */
async function packAsListed(
  { client, paying }: PutComponents,
  source: DiskSource,
  { root, reference }: StagedObject,
  wishes: PackOptions
): Promise<StagedObject | undefined> {
  if (reference === undefined || !canBeReadAgain(source)) return undefined
  const { list } = await readStoredObjectList(await paying(), wishes.signal).catch(() => ({ list: NO_LIST }))
  wishes.signal?.throwIfAborted()
  const known = list.objects.find(
    one => one.root.equals(root) && one.private?.layout === reference.layout && !isSameSecret(one, reference)
  )
  if (known === undefined) return undefined
  const again = await client.pack(source, { ...wishes, secret: known.private!.secret })
  if (again.root.equals(root)) return again
  await again[Symbol.asyncDispose]()
  return undefined
}

const NO_LIST = { objects: [] as readonly ListedObject[] }

function nameOf(source: DiskSource): string {
  if (typeof source === 'string') return join(source, '.').split(/[/\\]/).at(-1) ?? ''
  return 'carFile' in source ? (source.carFile.split(/[/\\]/).at(-1) ?? '') : ''
}

/**
 * What was stored in part can go on as long as the secret is known: it stays where the next put of the same content finds it.
 * Where nothing of it is at any provider, nothing is left here either.
 */
async function storeOrLeave(
  client: PutComponents['client'],
  object: StagedObject,
  { onPacked, ...wishes }: StoreWishes & Pick<PutOptions, 'onPacked'>
): Promise<readonly StoredReplica[]> {
  try {
    if (onPacked !== undefined) onPacked({ object, quote: await client.quote(object, wishes) })
    return await client.store(object, wishes)
  } catch (error) {
    const { reference } = object
    if (reference === undefined) throw error
    const isIncomplete = error instanceof CoreError && error.code === 'STORE_INCOMPLETE'
    const { state } = await client.ledger()
    if (isIncomplete || findObjectDeals(state, reference, client.address).length > 0) await object.leave()
    if (!isIncomplete) throw error
    const details = { ...error.details, reference: formatObjectName(reference) }
    throw new CoreError(error.code, error.message, details, { cause: error.cause })
  }
}

function canBeReadAgain(source: DiskSource): boolean {
  return typeof source === 'string' || source instanceof Uint8Array || source instanceof Blob || 'carFile' in source
}

/** Waits, and gives the reason of a failure that is not worth failing for; an abort is not one of these. */
async function reasonOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    if (!(error instanceof CoreError)) throw error
    return error.message
  }
}
