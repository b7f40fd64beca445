/**
 * What a follower holds of the log: the state, the tree over the entries, and the newest head that both have been checked
 * against.
 *
 * The host's heads come with its answers. One that is ahead of the entries waits until they have reached its size; then
 * the root of this peer's own tree must be the head's. Entries up to a head are stored and told only after that check.
 */
import { equalBytes } from '@noble/curves/utils.js'
import { CoreError } from '../error.ts'
import { decodeEntry } from './entry.ts'
import type { AppliedEntry, LedgerMachine } from './ledger.ts'
import { type HeadAuthority, type SignedLogHead, verifyHead } from './log-head.ts'
import type { EntryReader, LogTree } from './log-tree.ts'

/** Where a follower keeps what it has applied: on a disk, or nowhere. */
export interface FollowerStore {
  /**
   * Appends encoded entries that were applied, in order and without gaps, or none when only the head is new; durable when
   * it resolves.
   *
   * @param head - the newest head that was checked, covering the first of the log's entries up to its size
   */
  append(entries: readonly Uint8Array[], head: SignedLogHead | undefined): Promise<void>
  /** Entries that were appended. */
  readonly read: EntryReader
}

export interface FollowedLogOptions {
  readonly machine: LedgerMachine
  readonly tree: LogTree
  readonly head: SignedLogHead | undefined
  readonly authority: HeadAuthority
  readonly store: Pick<FollowerStore, 'append'> | undefined
  /** Told of each head once it was checked. */
  readonly onHead: (head: SignedLogHead) => void
}

export interface FollowedLog {
  /** The newest head that was checked. */
  readonly head: SignedLogHead | undefined
  /**
   * Takes a head that came from the host. One that is garbled or not the host's is dropped.
   *
   * @returns whether it is of a size that the tree has passed already, so that only a path can compare it
   * @throws {CoreError} `LOG_FORKED`
   */
  hear(bytes: Uint8Array): boolean
  /**
   * Applies, checks, stores and tells entries.
   *
   * @throws {CoreError} `LOG_INVALID` at an entry that breaks the rules, `LOG_FORKED` at a head that stands over others
   */
  take(encoded: readonly Uint8Array[]): Promise<void>
}

export function createFollowedLog(options: FollowedLogOptions): FollowedLog {
  const { machine, tree, authority, store, onHead } = options
  let { head } = options
  let storedHead = head
  /** The next head to be checked, and the newest that was heard: while one waits, others come. */
  let next: SignedLogHead | undefined
  let newest: { readonly head: SignedLogHead; readonly bytes: Uint8Array } | undefined

  function check(claimed: SignedLogHead): void {
    const root = tree.root()
    if (!equalBytes(root, claimed.root)) {
      throw new CoreError(
        'LOG_FORKED',
        `the host has signed head ${claimed.number} over other entries than the ${claimed.size} that it gives out`,
        { number: claimed.number, size: claimed.size }
      )
    }
    head = claimed
    next = newest !== undefined && newest.head.size > tree.size ? newest.head : undefined
    onHead(claimed)
  }

  function apply(bytes: Uint8Array): AppliedEntry {
    const entry = decodeEntry(bytes)
    const result = entry === undefined ? undefined : machine.applyEntry(entry)
    if (result?.ok !== true) {
      const { sequence } = machine.state
      const reason = result === undefined ? 'it cannot be decoded' : result.refusal.message
      throw new CoreError('LOG_INVALID', `entry ${sequence} of the host's log breaks the rules: ${reason}`, {
        sequence
      })
    }
    tree.append(bytes)
    return result.applied
  }

  return {
    get head() {
      return head
    },
    hear(bytes) {
      if (newest !== undefined && equalBytes(newest.bytes, bytes)) return false
      const verdict = verifyHead(bytes, authority)
      if (!verdict.ok) return false
      newest = { head: verdict.head, bytes }
      if (verdict.head.size < tree.size) return true
      if (verdict.head.size === tree.size) check(verdict.head)
      else next ??= verdict.head
      return false
    },
    async take(encoded) {
      let from = 0
      let applied: AppliedEntry[] = []
      const keep = async (to: number) => {
        if (to > from || head !== storedHead) await store?.append(encoded.slice(from, to), head)
        storedHead = head
        machine.announce(applied)
        from = to
        applied = []
      }
      for (const [index, bytes] of encoded.entries()) {
        applied.push(apply(bytes))
        if (tree.size !== next?.size) continue
        check(next)
        await keep(index + 1)
      }
      await keep(encoded.length)
    }
  }
}
