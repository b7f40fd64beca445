import { decode, encode } from '@ipld/dag-cbor'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  contradictionOf,
  FORK_PROOF_SIZE_BYTES_MAX,
  forkProofOf,
  verifyForkProof
} from '../../src/ledger/fork-proof.ts'
import { encodeHead, type LogHead, type SignedLogHead, signHead } from '../../src/ledger/log-head.ts'
import { AUTHORITY, MemoryLog } from './memory-log.ts'
import { CLIENT, HOST } from './network-fixture.ts'

/** Two histories of one host: the same eight entries, then others. */
let log: MemoryLog
let other: MemoryLog

beforeAll(async () => {
  log = new MemoryLog()
  await log.grow(7)
  other = new MemoryLog(log)
  await log.grow(3, 2n)
  await other.grow(7, 3n)
})

const changed = (head: LogHead, change: Partial<LogHead>): SignedLogHead => signHead({ ...head, ...change }, HOST)
const root = new Uint8Array(32).fill(1)

describe('a fork proof', () => {
  it.each<[string, () => [SignedLogHead, SignedLogHead]]>([
    ['same number', () => [log.newest, changed(log.newest, { timeMs: 1 })]],
    ['same size', () => [log.signedHeads[1]!, changed(log.newest, { size: log.signedHeads[1]!.size })]],
    ['shrunk', () => [log.signedHeads[1]!, changed(log.newest, { size: 2 })]],
    ['other previous', () => [log.signedHeads[1]!, changed(log.signedHeads[2]!, { previous: root })]]
  ])('shows heads of %s', (contradiction, heads) => {
    const [a, b] = heads()
    expect(contradictionOf(a, b)).toBe(contradiction)
    expect(contradictionOf(b, a)).toBe(contradiction)
    const proof = forkProofOf(a, b)!
    expect(forkProofOf(b, a)).toEqual(proof)
    expect(verifyForkProof(proof, AUTHORITY)).toMatchObject({ ok: true, contradiction })
  })

  it('shows that a larger tree begins otherwise, by its own path', async () => {
    const path = await other.tree.consistency(log.newest.size, other.newest.size, other.read)
    expect(forkProofOf(log.newest, other.newest)).toBeUndefined()
    const proof = forkProofOf(log.newest, other.newest, path)!
    expect(verifyForkProof(proof, AUTHORITY)).toMatchObject({ ok: true, contradiction: 'begins otherwise' })
  })

  it('cannot be made of one history, nor of a path that somebody invents', async () => {
    for (const [a, b] of log.signedHeads.flatMap(x => log.signedHeads.map(y => [x, y] as const))) {
      const [older, newer] = a.size <= b.size ? [a, b] : [b, a]
      const path = await log.tree.consistency(older.size, newer.size, log.read)
      for (const attempt of [[], path, path.toReversed(), [root, ...path.slice(1)], [root]])
        expect(contradictionOf(a, b, attempt)).toBeUndefined()
    }
  })

  it('is not made of a head that the host signed again, over the same', () => {
    expect(contradictionOf(log.newest, changed(log.newest, {}))).toBeUndefined()
    const later = changed(log.newest, { number: log.newest.number + 2 })
    expect(contradictionOf(log.newest, later)).toBeUndefined()
  })

  it('needs the signature of the host under both heads', () => {
    const [a, b] = [log.newest, changed(log.newest, { timeMs: 1 })]
    const forgery = forkProofOf(a, signHead(b, CLIENT))!
    expect(verifyForkProof(forgery, AUTHORITY)).toEqual({
      ok: false,
      reason: 'the head is not signed by the host of this network'
    })
    expect(verifyForkProof(forkProofOf(a, b)!, { ...AUTHORITY, host: CLIENT.address }).ok).toBe(false)
  })

  it('is nothing that was made to look like one', async () => {
    const proof = forkProofOf(log.newest, changed(log.newest, { timeMs: 1 }))!
    const fields = decode(proof) as { heads: [Uint8Array, Uint8Array]; path: Uint8Array[] }
    const [lower, higher] = fields.heads
    for (const wrong of [
      { ...fields, heads: [lower, lower] },
      { ...fields, heads: [lower] },
      { ...fields, heads: [lower, higher, lower] },
      { ...fields, heads: [encodeHead(log.signedHeads[0]!), encodeHead(log.signedHeads[1]!)] },
      { ...fields, version: 2 },
      { ...fields, path: [new Uint8Array(31)] },
      { ...fields, path: Array.from({ length: 60 }, () => root) }
    ])
      expect(verifyForkProof(encode(wrong), AUTHORITY).ok).toBe(false)
    expect(verifyForkProof(new Uint8Array(FORK_PROOF_SIZE_BYTES_MAX + 1), AUTHORITY).ok).toBe(false)
  })

  it('fits its bound', async () => {
    const path = Array.from({ length: 54 }, () => root)
    const largest = { size: Number.MAX_SAFE_INTEGER, number: Number.MAX_SAFE_INTEGER, timeMs: Number.MAX_SAFE_INTEGER }
    const head = encodeHead(changed(log.newest, largest))
    expect(encode({ version: 1, heads: [head, head], path }).length).toBeLessThan(FORK_PROOF_SIZE_BYTES_MAX)
  })
})
