import { portableNodeHasher } from '@holdfast/proofs'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createFrameCipher } from '../../src/pieces/frames.ts'
import {
  formatRepairReference,
  PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN,
  parseRepairReference,
  portablePieceCiphers,
  type ReadKey,
  type RepairReplicaOptions,
  repairReplica
} from '../../src/pieces/index.ts'
import { deriveLabel, deriveObjectKeys } from '../../src/pieces/object-keys.ts'
import { replicaKeystream } from '../../src/pieces/replica-layer.ts'
import { file, gather, text } from '../content/memory-content.ts'
import { expectSame, join, noise, type PrivateFixture, packPrivateTree, SECRET } from './private-objects.ts'

const WORDS = text('the quick brown fox jumps over the lazy dog; '.repeat(4000))
const LARGE = text('the quick brown fox jumps over the lazy dog; '.repeat(60_000))

let fixture: PrivateFixture
beforeAll(async () => {
  fixture = await packPrivateTree([file('', WORDS)], { replicaCount: 3 })
})
beforeEach(() => {
  fixture.spoil = bytes => bytes
})

/** All that the repairer has: what somebody handed over as text, and the ledger. */
function repairOf(piece: number, from: number, to: number, of = fixture): RepairReplicaOptions {
  const { layout, pieceCount } = of.reference
  const { repairKey } = deriveObjectKeys(SECRET)
  const parsed = parseRepairReference(formatRepairReference({ repairKey, layout, pieceCount }))
  if (!parsed.ok) throw new Error(parsed.reason)
  return {
    ...parsed.reference,
    ciphers: portablePieceCiphers,
    piece,
    from: of.replica({ replica: from, piece }),
    to,
    cid: of.content.pieces[piece]!.cids[to]!,
    nodeHasher: portableNodeHasher
  }
}

describe('a repair', () => {
  it('makes every lost piece of any surviving one, as it stands on the ledger', async () => {
    const several = await packPrivateTree([file('', LARGE)], {
      replicaCount: 2,
      pieceSizeBytesMax: PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN
    })
    expect(several.inner.length).toBe(2)
    for (const piece of [0, 1]) {
      const made = join(await gather(repairReplica(repairOf(piece, 0, 1, several))))
      expectSame(made, await several.stored({ replica: 1, piece }))
    }
    const made = join(await gather(repairReplica(repairOf(0, 2, 0))))
    expectSame(made, await fixture.stored({ replica: 0, piece: 0 }))
  })

  it('finds what it repairs by the labels', () => {
    const { repairKey } = repairOf(0, 0, 1)
    const place = { replica: 1, piece: 0 }
    expect(deriveLabel(repairKey, place)).toEqual(deriveLabel(deriveObjectKeys(SECRET).repairKey, place))
  })

  it('reads nothing: what it takes off is not what hides the content', async () => {
    const { repairKey, ...options } = repairOf(0, 0, 1)
    const inner = await fixture.stored({ replica: 0, piece: 0 })
    replicaKeystream({ ...options, repairKey }, { replica: 0, piece: 0 }, 0).xor(inner)
    expectSame(inner, fixture.inner[0]!)
    expect(Buffer.from(inner).includes('quick')).toBe(false)
    for (const key of [repairKey, ...[0, 1].map(replica => deriveLabel(repairKey, { replica, piece: 0 }))]) {
      const guess = new Uint8Array(32)
      guess.set(key)
      const cipher = createFrameCipher(portablePieceCiphers, guess as unknown as ReadKey, 0)
      expect(cipher.open(inner.slice(0, 65_536), 0, false)).toBe(false)
    }
  })

  it.each<[string, (options: RepairReplicaOptions) => RepairReplicaOptions]>([
    ['with another key', options => ({ ...options, repairKey: deriveObjectKeys(noise(32)).repairKey })],
    ['for another replica', options => ({ ...options, to: 2 })],
    ['for another piece', options => ({ ...options, piece: 1 })],
    ['without the outer layer', options => ({ ...options, layout: 'identical' })]
  ])('never completes a wrong piece: %s', async (_, change) => {
    await expectMismatch(change(repairOf(0, 0, 1)))
  })

  it.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['is wrong in one bit', bytes => bytes.map((byte, index) => (index === 0 ? byte ^ 1 : byte))],
    ['ends early', bytes => bytes.subarray(1)],
    ['does not end', bytes => new Uint8Array([...bytes, 0])]
  ])('never completes a piece of a source that %s', async (_, spoil) => {
    fixture.spoil = (bytes, __, offset) => (offset === 50_000 ? spoil(bytes) : bytes)
    await expectMismatch(repairOf(0, 0, 1))
  })

  async function expectMismatch(options: RepairReplicaOptions): Promise<void> {
    let sizeBytes = 0
    const run = async () => {
      for await (const chunk of repairReplica(options)) sizeBytes += chunk.length
    }
    await expect(run()).rejects.toMatchObject({ code: 'REPAIR_MISMATCH' })
    expect(sizeBytes).toBeLessThan(fixture.inner[0]!.length)
  }

  it('ends with the signal', async () => {
    const reason = new Error('enough')
    const run = repairReplica({ ...repairOf(0, 0, 1), signal: AbortSignal.abort(reason) })
    await expect(gather(run)).rejects.toBe(reason)
  })
})
