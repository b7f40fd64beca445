import { randomBytes } from 'node:crypto'
import { createPieceHasher, portableNodeHasher } from '@holdfast/proofs'
import { afterEach, expect, it } from 'vitest'
import { nodePieceCiphers } from '../../src/ciphers.ts'
import { createHashingThreads, type HashingThreads } from '../../src/hashing/hashing-threads.ts'

let threads: HashingThreads
afterEach(() => threads.stop())

function cidOf(bytes: Uint8Array): string {
  const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
  hasher.update(bytes)
  return `${hasher.digest().cid}`
}

it.each([1, 2])('commits to pieces side by side as one hasher after the other does, with %i threads', async count => {
  threads = createHashingThreads({ count })
  const pieces = [127, 1_000_000, 3_500_000, 200].map(size => randomBytes(size))
  const cids = await Promise.all(
    pieces.map(async bytes => {
      const { update, digest } = threads.createHasher()
      for (let at = 0; at < bytes.length; at += 1_500_000) await update(bytes.subarray(at, at + 1_500_000))
      return `${(await digest()).cid}`
    })
  )
  expect(cids).toEqual(pieces.map(cidOf))
})

it.each([1, 100, 126, 127, 128, 255, 65_537])('commits to what comes %i bytes at a time', async sizeBytes => {
  threads = createHashingThreads({ count: 1 })
  const bytes = randomBytes(Math.min(3_000_001, sizeBytes * 700 + 13))
  const { update, digest } = threads.createHasher()
  for (let at = 0; at < bytes.length; at += sizeBytes) await update(bytes.subarray(at, at + sizeBytes))
  expect(`${(await digest()).cid}`).toBe(cidOf(bytes))
})

it('commits to what a piece becomes under the key of a replica', async () => {
  threads = createHashingThreads({ count: 2 })
  const [bytes, key] = [randomBytes(2_500_000), randomBytes(32)]
  const replica = new Uint8Array(bytes)
  nodePieceCiphers.keystream(key, 0).xor(replica)
  const { update, digest } = threads.createHasher(key)
  await update(bytes)
  expect(`${(await digest()).cid}`).toBe(cidOf(replica))
})

it('does not keep the bytes that it was given', async () => {
  threads = createHashingThreads({ count: 1 })
  const bytes = randomBytes(2_000_000)
  const expected = cidOf(bytes)
  const { update, digest } = threads.createHasher()
  await update(bytes)
  bytes.fill(0)
  expect(`${(await digest()).cid}`).toBe(expected)
})

it('goes on with other pieces after one was given up', async () => {
  threads = createHashingThreads({ count: 1 })
  const given = threads.createHasher()
  await given.update(randomBytes(5_000_000))
  given.discard?.()
  const bytes = randomBytes(1000)
  const { update, digest } = threads.createHasher()
  await update(bytes)
  expect(`${(await digest()).cid}`).toBe(cidOf(bytes))
})

it('says that it was stopped to whoever still waits, and starts anew', async () => {
  threads = createHashingThreads({ count: 1 })
  const { update, digest } = threads.createHasher()
  await update(new Uint8Array(1000))
  const ended = expect(digest()).rejects.toMatchObject({ code: 'HASHING_FAILED' })
  await threads.stop()
  await ended
  const again = threads.createHasher()
  await again.update(new Uint8Array(1000))
  expect(`${(await again.digest()).cid}`).toBe(cidOf(new Uint8Array(1000)))
})
