/**
 * Private objects that a reader may come back to. Finding the pieces of one and reading what says where its blocks lie takes as long as
 * ten ranges of it: it is done once, and again when it is old, or when nobody gives any more what was found.
 */
import { type FetchBlocks, LastUsed } from '../content/index.ts'
import { CoreError } from '../error.ts'
import {
  createSharedFrames,
  formatReference,
  type ObjectReference,
  type PrivateObject,
  type SharedFrames
} from '../pieces/index.ts'
import type { Address } from '../schema.ts'

/** What the ledger said of who stores an object is believed for so long. */
export const OPENED_MS_MAX = 60_000
const OPENED_OBJECTS_MAX = 64

export interface ProviderFailure {
  readonly provider: Address
  readonly reason: string
}

/** Opens an object anew. */
export type OpenAnew = (
  onFailure: (failure: ProviderFailure) => void,
  sharedFrames: SharedFrames | undefined
) => Pick<PrivateObject, 'fetchBlocks'>

export interface OpenedObjects {
  /**
   * @param openAnew - called where the object is not open, and when what was opened for an earlier reader turns out to be of no use
   * @param onFailure - told of every provider that is left while blocks are fetched, also for another reader of the same object
   */
  fetching(reference: ObjectReference, openAnew: OpenAnew, onFailure?: (failure: ProviderFailure) => void): FetchBlocks
}

interface Opened {
  readonly fetchBlocks: FetchBlocks
  readonly sinceMs: number
  readonly listeners: Set<(failure: ProviderFailure) => void>
}

/** @param now - milliseconds */
export function createOpenedObjects(now: () => number): OpenedObjects {
  const objects = new LastUsed<Opened>({ weightMax: OPENED_OBJECTS_MAX, weightOf: () => 1 })
  const sharedFrames = createSharedFrames()
  /** Of references that are said again, as one value. */
  const keys = new WeakMap<ObjectReference, string>()
  return {
    fetching(reference, openAnew, onFailure = () => undefined) {
      const key = keys.get(reference) ?? formatReference(reference)
      keys.set(reference, key)
      const open = (): Opened => {
        const listeners: Opened['listeners'] = new Set()
        const tell = (failure: ProviderFailure) => {
          for (const listener of listeners) listener(failure)
        }
        const { fetchBlocks } = openAnew(tell, sharedFrames)
        const opened = { fetchBlocks, sinceMs: now(), listeners }
        objects.set(key, opened)
        return opened
      }
      const known = objects.get(key)
      let opened = known !== undefined && now() - known.sinceMs < OPENED_MS_MAX ? known : open()

      async function* fetchFrom({ fetchBlocks, listeners }: Opened, ...asked: Parameters<FetchBlocks>) {
        // Of two fetches of one reader, each has its own.
        const listener = (failure: ProviderFailure) => onFailure(failure)
        listeners.add(listener)
        try {
          yield* fetchBlocks(...asked)
        } finally {
          listeners.delete(listener)
        }
      }

      return async function* fetchBlocks(cids, options) {
        let remaining = cids
        let { part } = options
        const used = opened
        try {
          for await (const bytes of fetchFrom(used, cids, options)) {
            part = part?.after(bytes.length)
            if (part === undefined) remaining = remaining.slice(1)
            yield bytes
          }
          return
        } catch (error) {
          options.signal?.throwIfAborted()
          if (used !== known || !(error instanceof CoreError)) throw error
        }
        if (opened === used) opened = open()
        yield* fetchFrom(opened, remaining, { ...options, part })
      }
    }
  }
}
