import type { FollowerStore } from '../../src/ledger/follower.ts'
import { encodeHead, type SignedLogHead } from '../../src/ledger/log-head.ts'
import type { EntryReader } from '../../src/ledger/log-tree.ts'

/** What a follower keeps, in memory: every entry, and every head that it was given. */
export class MemoryStore implements FollowerStore {
  readonly entries: Uint8Array[] = []
  readonly heads: SignedLogHead[] = []
  failure: Error | undefined

  async append(entries: readonly Uint8Array[], head: SignedLogHead | undefined): Promise<void> {
    await Promise.resolve()
    if (this.failure !== undefined) throw this.failure
    this.entries.push(...entries)
    if (head !== undefined && head.number !== this.heads.at(-1)?.number) this.heads.push(head)
  }

  head(number?: number): Uint8Array | undefined {
    const head = number === undefined ? this.heads.at(-1) : this.heads.find(one => one.number === number)
    return head && encodeHead(head)
  }

  readonly read: EntryReader = async function* (this: MemoryStore, from: number, to: number) {
    yield* this.entries.slice(from, to)
  }.bind(this)
}
