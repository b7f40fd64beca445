import { CID } from 'multiformats/cid'
import { expect, it } from 'vitest'
import {
  createOpenedObjects,
  OPENED_MS_MAX,
  type OpenAnew,
  type ProviderFailure
} from '../../src/client/opened-objects.ts'
import type { FetchBlocks } from '../../src/content/index.ts'
import { CoreError } from '../../src/error.ts'
import type { ObjectReference } from '../../src/pieces/index.ts'

const ROOT = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
const referenceOf = (byte: number): ObjectReference => ({
  root: ROOT,
  secret: new Uint8Array(32).fill(byte),
  layout: 'distinct',
  pieceCount: 1
})
const CIDS = [ROOT, ROOT, ROOT]

/** Opens objects that yield the number of their opening for each block, and break as told. */
function openCounting() {
  const told: { breaksAfter: number | undefined; opened: number } = { breaksAfter: undefined, opened: 0 }
  const openAnew: OpenAnew = onFailure => {
    const number = ++told.opened
    const fetchBlocks: FetchBlocks = async function* (cids) {
      for (const [index] of cids.entries()) {
        if (number === 1 && told.breaksAfter === index) {
          onFailure({ provider: '0x00', reason: 'went away' })
          throw new CoreError('PIECE_UNREADABLE', 'nobody gives it')
        }
        yield Uint8Array.of(number)
      }
    }
    return { fetchBlocks }
  }
  return { told, openAnew }
}

async function fetchAll(fetchBlocks: FetchBlocks): Promise<number[]> {
  const found: number[] = []
  for await (const [number] of fetchBlocks(CIDS, {})) found.push(number!)
  return found
}

it('opens an object once for readers who come one after the other, and each object by itself', async () => {
  let nowMs = 0
  const objects = createOpenedObjects(() => nowMs)
  const { told, openAnew } = openCounting()
  expect(await fetchAll(objects.fetching(referenceOf(1), openAnew))).toEqual([1, 1, 1])
  expect(await fetchAll(objects.fetching(referenceOf(1), openAnew))).toEqual([1, 1, 1])
  expect(await fetchAll(objects.fetching(referenceOf(2), openAnew))).toEqual([2, 2, 2])
  nowMs += OPENED_MS_MAX
  expect(await fetchAll(objects.fetching(referenceOf(1), openAnew))).toEqual([3, 3, 3])
  expect(told.opened).toBe(3)
})

it('opens anew what was opened for somebody earlier and gives nothing any more, and goes on where it broke off', async () => {
  const objects = createOpenedObjects(() => 0)
  const { told, openAnew } = openCounting()
  await fetchAll(objects.fetching(referenceOf(1), openAnew))
  told.breaksAfter = 1
  const failures: ProviderFailure[] = []
  const fetching = objects.fetching(referenceOf(1), openAnew, failure => failures.push(failure))
  expect(await fetchAll(fetching)).toEqual([1, 2, 2])
  expect(failures).toEqual([{ provider: '0x00', reason: 'went away' }])
  expect(await fetchAll(fetching)).toEqual([2, 2, 2])
})

it('fails where the object was opened for this reader', async () => {
  const objects = createOpenedObjects(() => 0)
  const { told, openAnew } = openCounting()
  told.breaksAfter = 0
  await expect(fetchAll(objects.fetching(referenceOf(1), openAnew))).rejects.toMatchObject({ code: 'PIECE_UNREADABLE' })
  expect(told.opened).toBe(1)
})
