/**
 * What every log must keep, whoever holds it: a memory log, a host on a disk, a follower. L6, L8 and L10 of the ledger's
 * invariants, and that nobody can be shown two histories without a proof of it being left behind.
 *
 * A suite is a function of `create`; tests call it for each implementation.
 */
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { consistencyRoots, verifyConsistency } from '../../src/evidence/merkle-consistency.ts'
import { verifyMerklePath } from '../../src/evidence/merkle-path.ts'
import { hashMerkleLeaf, merkleRoot } from '../../src/evidence/merkle-root.ts'
import { decodeEntry, encodeEntry } from '../../src/ledger/entry.ts'
import { forkProofOf, verifyForkProof } from '../../src/ledger/fork-proof.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import { createHeadWatch, type Fork, type HeadWatch } from '../../src/ledger/head-watch.ts'
import { createLedgerMachine } from '../../src/ledger/ledger.ts'
import { encodeHead, type HeadAuthority, hashHead, type SignedLogHead, verifyHead } from '../../src/ledger/log-head.ts'
import type { LogProofSource } from '../../src/ledger/log-proofs.ts'
import type { LedgerTools } from '../../src/ledger/rules.ts'
import type { LedgerState } from '../../src/ledger/state.ts'
import { type NetworkParameters, networkIdOf } from '../../src/network.ts'

/** A log that a suite can drive. */
export interface LogUnderTest extends AsyncDisposable {
  readonly parameters: NetworkParameters
  readonly tools: LedgerTools
  readonly clock: Pick<Clock, 'now'>
  /** What it serves to others: its tree, its entries, its heads by number, as many as it keeps and its newest always. */
  readonly proofs: LogProofSource
  readonly state: LedgerState
  /**
   * Resolves when the log holds `count` entries more, in several groups, under a head.
   *
   * @param history - entries differ between logs that are given different ones
   */
  grow(count: number, history: number): Promise<void>
  /** Another one, that starts from a copy of what this one holds now: a host whose disk was copied, or restored. */
  image(): Promise<LogUnderTest>
  /** Takes a head that a stranger has sent. */
  saw(head: Uint8Array): void
  /** Why the log is not to be used any more: a fork that it has seen, or that it has been rolled back. */
  verdict(): Promise<'fine' | 'forked' | 'rolled back'>
}

/** Registers the tests. `create` makes a log that holds its genesis, under a head. */
export function describeLog(name: string, create: () => Promise<LogUnderTest>): void {
  describe(`${name}: its order and its chain (L6)`, () => {
    it('numbers entries without gaps, in time, and every head after the one before', async () => {
      await using log = await create()
      await log.grow(10, 1)
      const entries = await entriesOf(log)
      const times = entries.map(bytes => decodeEntry(bytes)!.timeMs)
      expect(entries.map(bytes => decodeEntry(bytes)!.sequence)).toEqual([...entries.keys()])
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      const heads = await headsOf(log)
      expect(heads.length).toBeGreaterThan(2)
      for (const [index, head] of heads.entries()) {
        const before = heads[index - 1]
        expect(head.size).toBeGreaterThan(before?.size ?? 0)
        expect(head.timeMs).toBe(times[head.size - 1])
        if (head.number === 0) expect(head.previous).toEqual(new Uint8Array(32))
        if (head.number === (before?.number ?? Number.NaN) + 1) expect(head.previous).toEqual(hashHead(before!))
      }
      expect(heads.at(-1)!.size).toBe(entries.length)
    })

    it('has no head beyond its newest, and no proof beyond that', async () => {
      await using log = await create()
      await log.grow(4, 1)
      const { number, size } = (await headsOf(log)).at(-1)!
      expect(await log.proofs.head(number + 1)).toBeUndefined()
      await expect(log.proofs.tree.inclusion(size, size, log.proofs.read)).rejects.toThrow(RangeError)
    })
  })

  describe(`${name}: its replay (L8)`, () => {
    it('gives the state and the roots again', async () => {
      await using log = await create()
      await log.grow(8, 1)
      const machine = createLedgerMachine(log.parameters, log.tools)
      for (const bytes of await entriesOf(log)) {
        const entry = decodeEntry(bytes)!
        expect(encodeEntry(entry)).toEqual(bytes)
        expect(machine.applyEntry(entry).ok).toBe(true)
      }
      expect(hashState(machine.state)).toBe(hashState(log.state))
    })

    it('of a copy goes on as the log does', async () => {
      await using log = await create()
      await log.grow(5, 1)
      await using copy = await log.image()
      expect(hashState(copy.state)).toBe(hashState(log.state))
      expect(await copy.proofs.head()).toEqual(await log.proofs.head())
      await copy.grow(3, 1)
      expect(await copy.verdict()).toBe('fine')
    })
  })

  describe(`${name}: its one history (L10)`, () => {
    it('has every head over the first of its entries', async () => {
      await using log = await create()
      await log.grow(10, 1)
      const entries = await entriesOf(log)
      for (const { root, size } of await headsOf(log)) expect(root).toEqual(merkleRoot(entries.slice(0, size)))
    })

    it('proves every entry under every head that covers it, and under no other root', async () => {
      await using log = await create()
      await log.grow(7, 1)
      const { tree, read } = log.proofs
      const entries = await entriesOf(log)
      for (const { size, root } of await headsOf(log)) {
        for (let index = 0; index < size; index += 1) {
          const claim = {
            index,
            size,
            leafHash: hashMerkleLeaf(entries[index]!),
            path: await tree.inclusion(index, size, read)
          }
          expect(verifyMerklePath({ ...claim, root })).toBe(true)
          expect(verifyMerklePath({ ...claim, root: hashMerkleLeaf(root) })).toBe(false)
        }
      }
    })

    it('proves that every head continues every earlier one', async () => {
      await using log = await create()
      await log.grow(9, 1)
      const { tree, read } = log.proofs
      const heads = await headsOf(log)
      for (const newer of heads) {
        for (const older of heads.filter(({ number }) => number < newer.number)) {
          const path = await tree.consistency(older.size, newer.size, read)
          const claim = { from: older.size, fromRoot: older.root, to: newer.size, toRoot: newer.root, path }
          expect(verifyConsistency(claim)).toBe(true)
          expect(forkProofOf(older, newer, path)).toBeUndefined()
        }
      }
    })
  })

  describe(`${name}: two histories`, () => {
    it('leave a proof that stands alone, by number and by size', async () => {
      await using log = await create()
      await log.grow(4, 1)
      await using other = await log.image()
      await Promise.all([log.grow(3, 2), other.grow(3, 3)])
      const [a, b] = [(await headsOf(log)).at(-1)!, (await headsOf(other)).at(-1)!]
      const authority = authorityOf(log)
      const proof = forkProofOf(a, b)!
      expect(verifyForkProof(proof, authority)).toMatchObject({ ok: true })
      expect(forkProofOf(b, a)).toEqual(proof)
      expect(verifyForkProof(proof, { ...authority, networkId: new Uint8Array(32) }).ok).toBe(false)
    })

    it('leave a proof when they have grown apart in length, by the larger one’s own path', async () => {
      await using log = await create()
      await log.grow(4, 1)
      await using other = await log.image()
      await log.grow(2, 2)
      await other.grow(12, 3)
      const [a, b] = [(await headsOf(log)).at(-1)!, (await headsOf(other)).at(-1)!]
      const path = await other.proofs.tree.consistency(a.size, b.size, other.proofs.read)
      expect(consistencyRoots(a.size, b.size, path)?.to).toEqual(b.root)
      expect(verifyForkProof(forkProofOf(a, b, path)!, authorityOf(log))).toMatchObject({ ok: true })
    })

    it('are noticed by whoever holds one and meets the other', async () => {
      await using log = await create()
      await log.grow(4, 1)
      await using other = await log.image()
      await Promise.all([log.grow(6, 2), other.grow(2, 3)])
      log.saw((await log.proofs.head())!)
      expect(await log.verdict()).toBe('fine')
      log.saw((await other.proofs.head())!)
      expect(await log.verdict()).toBe('forked')
    })

    it('are noticed by one who holds no log, from heads alone', async () => {
      await using log = await create()
      await using other = await log.image()
      await Promise.all([log.grow(3, 2), other.grow(3, 3)])
      const { watch, forks } = watcherOf(log)
      for (const head of [...(await headsOf(log)), ...(await headsOf(other))]) watch.saw(encodeHead(head))
      await watch.settled()
      expect(forks).toHaveLength(1)
      expect(verifyForkProof(forks[0]!.proof, authorityOf(log)).ok).toBe(true)
    })
  })

  describe(`${name}: rolled back`, () => {
    it('is noticed when a newer head comes back to it, at the latest when it grows', async () => {
      await using log = await create()
      await log.grow(4, 1)
      await using old = await log.image()
      await log.grow(3, 2)
      expect(await old.verdict()).toBe('fine')
      old.saw((await log.proofs.head())!)
      await old.grow(6, 3).catch(() => undefined) // a host that has noticed takes nothing any more
      expect(await old.verdict()).not.toBe('fine')
    })
  })
}

function authorityOf({ parameters, tools }: LogUnderTest): HeadAuthority {
  return { networkId: networkIdOf(parameters), host: parameters.host, signatures: tools.signatures }
}

/** Somebody who holds no log and can ask nobody. */
function watcherOf(log: LogUnderTest): { watch: HeadWatch; forks: Fork[] } {
  const forks: Fork[] = []
  const watch = createHeadWatch({
    authority: authorityOf(log),
    clock: log.clock,
    path: async () => undefined,
    onFork: fork => forks.push(fork)
  })
  return { watch, forks }
}

/** Every head that the log keeps, by ascending number, verified. */
async function headsOf(log: LogUnderTest): Promise<SignedLogHead[]> {
  const newest = expectHead(await log.proofs.head(), log)
  const heads: SignedLogHead[] = []
  for (let number = 0; number < newest.number; number += 1) {
    const bytes = await log.proofs.head(number)
    if (bytes !== undefined) heads.push(expectHead(bytes, log))
  }
  return [...heads, newest]
}

function expectHead(bytes: Uint8Array | undefined, log: LogUnderTest): SignedLogHead {
  const verdict = verifyHead(bytes ?? new Uint8Array(), authorityOf(log))
  if (!verdict.ok) throw new Error(verdict.reason)
  return verdict.head
}

/** All entries under the newest head. */
async function entriesOf(log: LogUnderTest): Promise<Uint8Array[]> {
  const { size } = (await headsOf(log)).at(-1)!
  const entries: Uint8Array[] = []
  for await (const entry of log.proofs.read(0, size)) entries.push(entry)
  return entries
}
