import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fc, it as property } from '@fast-check/vitest'
import { headAfter, type SignedLogHead, signHead } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HOST } from '../../../core/test/ledger/network-fixture.ts'
import { HEAD_RING_FILE, HEAD_RING_SLOTS, openHeadRing, readHeadRing } from '../../src/ledger/head-ring.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const networkId = new Uint8Array(32).fill(7)
/** Signed once: heads of one history. */
const HEADS: SignedLogHead[] = []
for (let size = 1; size <= HEAD_RING_SLOTS + 10; size += 1)
  HEADS.push(
    signHead(headAfter(HEADS.at(-1), { networkId, size, root: new Uint8Array(32).fill(size), timeMs: size }), HOST)
  )

let path: string
let life = new AsyncDisposableStack()
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function writeHeads(count: number, from = 0): Promise<void> {
  await using ring = await openHeadRing(path, from === 0 ? 'new signer' : 'signer')
  for (const head of HEADS.slice(from, from + count)) await ring.write(head)
}

/** What a start finds: the newest head's number, or why there is none. */
async function lastNumber(): Promise<number | string | undefined> {
  try {
    await using ring = await openHeadRing(path, 'signer')
    return ring.last?.number
  } catch (error) {
    return (error as { code: string }).code
  }
}

async function damage(change: (bytes: Buffer) => void): Promise<void> {
  const file = join(path, HEAD_RING_FILE)
  const bytes = await readFile(file)
  change(bytes)
  await writeFile(file, bytes)
}
const copyOf = (number: number, copy: 0 | 1) => (number % HEAD_RING_SLOTS) * 4096 + copy * 2048

describe('a ring', () => {
  it('holds nothing at first, and then the last head that was written', async () => {
    await using ring = await openHeadRing(path, 'new signer')
    expect(ring.last).toBeUndefined()
    await ring.write(HEADS[0]!)
    await ring.write(HEADS[1]!)
    expect(ring.last).toEqual(HEADS[1])
    expect(await lastNumber()).toBe(1)
  })

  it('gives its heads by number, over its end and over a restart', async () => {
    await writeHeads(HEADS.length)
    await using ring = await openHeadRing(path, 'signer')
    expect(ring.last).toEqual(HEADS.at(-1))
    for (const head of HEADS.slice(-HEAD_RING_SLOTS)) expect(ring.headAt(head.number)).toEqual(head)
    expect(ring.headAt(9)).toBeUndefined()
    expect((await readHeadRing(path)).heads.size).toBe(HEAD_RING_SLOTS)
  })

  it('takes no head that is not after the last', async () => {
    await writeHeads(3)
    await using ring = await openHeadRing(path, 'signer')
    expect(() => ring.write(HEADS[2]!)).toThrow(RangeError)
  })

  it('that is missing is refused to a signer who has a log, and made anew for a witness', async () => {
    await writeHeads(1)
    await rm(join(path, HEAD_RING_FILE))
    expect(await lastNumber()).toBe('HEADS_MISSING')
    await using ring = await openHeadRing(path, 'witness')
    await ring.write(HEADS[5]!)
    await ring.write(HEADS[8]!)
    expect(ring.last).toEqual(HEADS[8])
  })

  it('takes no more after a write that failed', async () => {
    let failing = false
    const files = failingFileSystem(({ operation }) =>
      failing && operation === 'datasync' ? systemError('EIO') : undefined
    )
    await using ring = await openHeadRing(path, 'new signer', files)
    await ring.write(HEADS[0]!)
    failing = true
    await expect(ring.write(HEADS[1]!)).rejects.toMatchObject({ code: 'EIO' })
    failing = false
    await expect(ring.write(HEADS[1]!)).rejects.toMatchObject({ code: 'EIO' })
    expect(ring.last).toEqual(HEADS[0])
  })
})

describe('damage', () => {
  it('to one copy costs nothing', async () => {
    await writeHeads(3)
    for (const copy of [0, 1] as const) {
      await damage(bytes => {
        bytes[copyOf(2, copy) + 40]! ^= 1
      })
      expect(await lastNumber()).toBe(2)
      await writeHeads(1, 3) // the slot after is another one
      await damage(bytes => bytes.fill(0, copyOf(3, 0), copyOf(3, 0) + 4096))
      await damage(bytes => {
        bytes[copyOf(2, copy) + 40]! ^= 1
      })
    }
  })

  it('to both copies of the newest is told', async () => {
    await writeHeads(3)
    await damage(bytes => {
      bytes[copyOf(2, 0) + 40]! ^= 1
      bytes[copyOf(2, 1) + 50]! ^= 1
    })
    expect(await lastNumber()).toBe('HEADS_DAMAGED')
    await using ring = await openHeadRing(path, 'witness')
    expect(ring.last?.number).toBe(1)
  })

  it('to an old one is passed over', async () => {
    await writeHeads(5)
    await damage(bytes => bytes.fill(9, copyOf(1, 0), copyOf(1, 0) + 4096))
    expect(await lastNumber()).toBe(4)
  })

  it('of a write that was cut between its copies leaves the old head or the new one', async () => {
    await writeHeads(HEAD_RING_SLOTS + 1)
    const before = await readFile(join(path, HEAD_RING_FILE))
    await writeHeads(1, HEAD_RING_SLOTS + 1)
    await damage(bytes => before.copy(bytes, copyOf(HEAD_RING_SLOTS + 1, 1), copyOf(1, 1), copyOf(1, 1) + 2048))
    expect(await lastNumber()).toBe(HEAD_RING_SLOTS + 1)
    await damage(bytes => before.copy(bytes, copyOf(1, 0), copyOf(1, 0), copyOf(1, 0) + 2048))
    expect(await lastNumber()).toBe(HEAD_RING_SLOTS)
  })

  property.prop([fc.nat({ max: 8 * 5 * 4096 - 1 }), fc.integer({ min: 1, max: 4 })])(
    'of any one bit never hides the newest head',
    async (position, count) => {
      await rm(join(path, HEAD_RING_FILE), { force: true })
      await writeHeads(count)
      await damage(bytes => {
        bytes[position >> 3]! ^= 1 << (position & 7)
      })
      expect([count - 1, 'HEADS_DAMAGED']).toContain(await lastNumber())
    }
  )
})
