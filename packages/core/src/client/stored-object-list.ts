/**
 * Keeps an account's object list in the network: reads the newest one that opens, and writes the next one.
 *
 * Several clients of one account may write at once: the ledger is what they compare. Whoever finds, after his list is on
 * it, one that was not there when he read, merges the two and writes again, until there is nothing that he has not seen.
 * Of two that write, at least one sees the other, because both see one order of the same commands.
 */
import { CoreError } from '../error.ts'
import type { LedgerState } from '../ledger/state.ts'
import {
  deriveObjectListKeys,
  type ListedObject,
  OBJECT_LIST_SALT_SIZE_BYTES,
  type ObjectList,
  type ObjectListKeys,
  sealObjectList,
  slotOf
} from '../pieces/index.ts'
import type { Address } from '../schema.ts'
import {
  findLists,
  keyOfList,
  type ListComponents,
  listObject,
  type OpenedList,
  readList,
  SLOTS,
  type StoredList,
  stands
} from './list-pieces.ts'
import { areSameLists, mergeLists } from './merge-lists.ts'
import { signAndSubmit } from './sign-and-submit.ts'
import { type StoreOptions, storeObject } from './store.ts'

/** More clients than an account has write at once, or one of them breaks the rules of this file. */
const ATTEMPTS_MAX = 8

export interface ReadList {
  /** The newest that opened; empty with sequence −1 when none was ever written. Of several that are as new, all entries. */
  readonly list: { readonly sequence: number; readonly objects: readonly ListedObject[] }
  /** Providers of lists that could not be read now, from them or anybody else. One of these may have been newer. */
  readonly unread: readonly { readonly provider: Address; readonly reason: string }[]
}

/** @throws {CoreError} `LIST_UNREADABLE` when lists stand on the ledger and none can be read */
export async function readStoredObjectList(components: ListComponents, signal?: AbortSignal): Promise<ReadList> {
  const { lists, unread } = await readLists(components, allLists(components, keysOf(components)), signal)
  return { list: newestOf(lists), unread }
}

export type ListOptions = Pick<StoreOptions, 'replicas' | 'leavesPerRound' | 'rounds' | 'signal'> & {
  /** Sequence of the newest list that this client has ever seen: an older one is not written over. */
  readonly seenSequence?: number | undefined
}

/**
 * Writes the next list and removes what its slot held before. What other clients of the account write meanwhile is kept.
 *
 * @param change - gives the objects of the next list; the very same array when there is nothing to change
 * @returns the sequence of what stands now
 * @throws {CoreError} `LIST_UNREADABLE`, also when only an older list than was seen can be read, or when somebody wrote
 * another one meanwhile and it cannot be read; `LIST_CONTENDED` when others do not cease to write; `STORE_INCOMPLETE`
 */
export async function changeStoredObjectList(
  components: ListComponents,
  change: (objects: readonly ListedObject[]) => readonly ListedObject[],
  options: ListOptions
): Promise<number> {
  const { signal } = options
  const keys = keysOf(components)
  let seen = allLists(components, keys)
  const base = newestOf((await readLists(components, seen, signal)).lists)
  if (base.sequence < (options.seenSequence ?? -1))
    throw new CoreError(
      'LIST_UNREADABLE',
      `only list ${base.sequence} can be read now, and there was a newer one (${options.seenSequence}); try again when its providers are back`,
      { sequence: base.sequence, seen: options.seenSequence }
    )
  const changed = change(base.objects)
  if (changed === base.objects) return base.sequence
  let mine: ObjectList = { version: 1, sequence: base.sequence + 1, objects: [...changed] }
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const own = await storeList(components, keys, mine, options)
    const known = new Set(seen.map(keyOfList))
    const now = allLists(components, keys)
    const others = now.filter(one => !known.has(keyOfList(one)) && !own.has(one.piece.cid.toString()))
    if (others.length === 0) {
      await removeLists(
        components,
        seen.filter(({ slot }) => slot === slotOf(mine)),
        signal
      )
      return mine.sequence
    }
    const { lists } = await readLists(components, others, signal)
    const rivals = lists.filter(({ sequence }) => sequence >= mine.sequence)
    const objects = mergeLists(
      base.objects,
      [mine, ...rivals].map(list => list.objects)
    )
    const sequence = Math.max(mine.sequence, ...rivals.map(list => list.sequence))
    const newest = [mine, ...rivals].filter(list => list.sequence === sequence)
    if (newest.every(list => areSameLists(list.objects, objects))) return sequence
    mine = { version: 1, sequence: sequence + 1, objects }
    seen = now
  }
  throw new CoreError('LIST_CONTENDED', 'other clients of this account do not cease to change its list; try again', {
    sequence: mine.sequence
  })
}

function keysOf({ accountKey }: ListComponents): ObjectListKeys {
  return deriveObjectListKeys(accountKey)
}

function allLists(components: ListComponents, keys: ObjectListKeys): StoredList[] {
  return SLOTS.flatMap(slot => findLists(components, keys, slot))
}

/** Of the lists that are the newest, the one; or all their entries, while nobody has merged them. */
function newestOf(lists: readonly ObjectList[]): { sequence: number; objects: readonly ListedObject[] } {
  const sequence = Math.max(-1, ...lists.map(list => list.sequence))
  const newest = lists.filter(list => list.sequence === sequence).map(({ objects }) => objects)
  const [first = []] = newest
  const isOne = newest.every(objects => areSameLists(objects, first))
  return { sequence, objects: isOne ? first : mergeLists(undefined, newest) }
}

/**
 * Reads each list once. How many there are is known by their bytes alone: two lists in one slot may have lost all replicas
 * but one each.
 *
 * @throws {CoreError} `LIST_UNREADABLE` when there are some and none opens
 */
async function readLists(
  components: ListComponents,
  stored: readonly StoredList[],
  signal: AbortSignal | undefined
): Promise<{ lists: ObjectList[] } & Pick<ReadList, 'unread'>> {
  const keys = keysOf(components)
  const failed: { one: StoredList; reason: string }[] = []
  const opened: OpenedList[] = []
  const isKnown = (one: StoredList) => opened.some(list => list.isReplica(one))
  for (const one of stored) {
    if (isKnown(one)) continue
    try {
      opened.push(await readList(components, keys, one, signal))
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof CoreError)) throw error
      failed.push({ one, reason: error.message })
    }
  }
  // What somebody has removed meanwhile, he has replaced.
  const unread = failed
    .filter(({ one }) => stands(components.ledger.state, one) && !isKnown(one))
    .map(({ one, reason }) => ({ provider: one.deal.provider, reason }))
  if (opened.length === 0 && unread.length > 0) throw unreadable(unread)
  return { lists: opened.map(({ list }) => list), unread }
}

function unreadable(unread: ReadList['unread']): CoreError {
  const said = unread.map(({ provider, reason }) => `${provider} ${reason}`).join('; ')
  return new CoreError('LIST_UNREADABLE', `none of the providers of your list gave it: ${said}`, { unread })
}

/** @returns the CIDs of its pieces */
async function storeList(
  components: ListComponents,
  keys: ObjectListKeys,
  list: ObjectList,
  options: ListOptions
): Promise<ReadonlySet<string>> {
  const { ciphers, random, ledger, signer } = components
  const inner = sealObjectList(list, { keys, salt: random(OBJECT_LIST_SALT_SIZE_BYTES), ciphers })
  const object = listObject(inner, keys, slotOf(list), components)
  const { replicas, leavesPerRound, rounds, signal } = options
  const preferred = ownProviders(ledger.state, signer.address)
  const stored = await storeObject(components, { replicas, leavesPerRound, rounds, signal, object, preferred })
  return new Set(stored.map(({ index }) => object.replica(index)[0]!.cid!.toString()))
}

/** Takes lists out of their deals, but for those that another client has removed. */
async function removeLists(
  components: ListComponents,
  old: readonly StoredList[],
  signal: AbortSignal | undefined
): Promise<void> {
  const { ledger, signer } = components
  for (const [dealId, replicas] of Map.groupBy(old, ({ deal }) => deal.id)) {
    const standing = () => replicas.filter(one => stands(ledger.state, one))
    if (ledger.state.deals.get(dealId)?.status !== 'active' || standing().length === 0) continue
    const pieceIds = standing().map(({ piece }) => piece.id)
    try {
      await signAndSubmit(components, 'RemovePieces', { client: signer.address, dealId, pieceIds }, signal)
    } catch (error) {
      const isRefused = error instanceof CoreError && error.code === 'LEDGER_REFUSED'
      if (!isRefused || standing().length === pieceIds.length) throw error
    }
  }
}

/** A list goes where the account has deals already: a deal of its own would cost the least price of a deal. */
function ownProviders(state: LedgerState, client: Address): ReadonlySet<Address> {
  const own = [...state.deals.values()].filter(deal => deal.client === client && deal.status === 'active')
  return new Set(own.map(({ provider }) => provider))
}
