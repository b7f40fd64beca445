/**
 * A host's log in memory: the entries of a memory ledger, the tree over them, and a signed head for every group, kept as
 * a host keeps them. Read by followers as a source, and run by the suite of logs.
 */
import { CoreError } from '../../src/error.ts'
import { encodeEntry } from '../../src/ledger/entry.ts'
import type { LedgerSource } from '../../src/ledger/follower.ts'
import { createHeadWatch, type Fork, type HeadWatch } from '../../src/ledger/head-watch.ts'
import { encodeHead, type HeadAuthority, headAfter, type SignedLogHead, signHead } from '../../src/ledger/log-head.ts'
import type { LogProofSource } from '../../src/ledger/log-proofs.ts'
import { createLogTree, type EntryReader } from '../../src/ledger/log-tree.ts'
import { networkIdOf } from '../../src/network.ts'
import { CLIENT, HOST, PARAMETERS, STRANGER, TestNetwork, TOOLS } from './network-fixture.ts'

export const AUTHORITY: HeadAuthority = {
  networkId: networkIdOf(PARAMETERS),
  host: HOST.address,
  signatures: TOOLS.signatures
}

export class MemoryLog implements LedgerSource {
  readonly network = new TestNetwork()
  readonly entriesSoFar: Uint8Array[] = []
  readonly signedHeads: SignedLogHead[] = []
  readonly tree = createLogTree()
  readonly watch: HeadWatch
  readonly forks: Fork[] = []
  /** A head of this host's own that it does not know: it has been rolled back. */
  rolledBack: SignedLogHead | undefined
  isReachable = true
  readonly #readers = new Set<() => void>()

  constructor(image?: MemoryLog, length = image?.entriesSoFar.length ?? 1) {
    const { clock, ledger, parameters } = this.network
    this.watch = createHeadWatch({
      authority: AUTHORITY,
      clock,
      path: async (from, to) => (to > this.tree.size ? undefined : await this.tree.consistency(from, to, this.read)),
      onFork: fork => this.forks.push(fork),
      onNewer: head => {
        this.rolledBack = head
      }
    })
    const { networkId } = this.network.state
    this.#append(
      encodeEntry({
        version: 1,
        sequence: 0,
        timeMs: parameters.genesisMs - 1000,
        body: { kind: 'genesis', networkId }
      })
    )
    for (const { entry } of image?.network.applied.slice(0, length - 1) ?? []) {
      clock.jumpTo(entry.timeMs)
      ledger.append(entry.body, entry.timeMs)
      this.#append(encodeEntry(entry))
    }
    for (const head of image?.signedHeads.filter(({ size }) => size <= length) ?? []) this.#keepHead(head)
    ledger.subscribe(({ entry }) => this.#append(encodeEntry(entry)))
    if (image === undefined) this.sign()
  }

  #append(bytes: Uint8Array): void {
    this.entriesSoFar.push(bytes)
    this.tree.append(bytes)
  }

  #keepHead(head: SignedLogHead): void {
    this.signedHeads.push(head)
    this.watch.advance(head)
  }

  /** Signs a head over what is there, as a host does once it is durable. */
  sign(): SignedLogHead {
    const { networkId, timeMs } = this.network.state
    const head = signHead(
      headAfter(this.signedHeads.at(-1), { networkId, size: this.tree.size, root: this.tree.root(), timeMs }),
      HOST
    )
    this.#keepHead(head)
    for (const wake of [...this.#readers]) wake()
    return head
  }

  /** Appends so many entries, in groups of three, each under a head. @param amount - tells histories apart */
  async grow(count: number, amount = 1n): Promise<void> {
    for (let entry = 1; entry <= count; entry += 1) {
      await this.network.take(this.network.transfer(CLIENT, STRANGER, amount))
      if (entry % 3 === 0 || entry === count) this.sign()
    }
  }

  readonly read: EntryReader = async function* (this: MemoryLog, from: number, to: number) {
    yield* this.entriesSoFar.slice(from, to)
  }.bind(this)

  get newest(): SignedLogHead {
    return this.signedHeads.at(-1)!
  }

  readonly proofs: LogProofSource = {
    tree: this.tree,
    read: this.read,
    head: number => {
      const head = number === undefined ? this.newest : this.signedHeads[number]
      return head && encodeHead(head)
    }
  }

  /** Entries under the newest head; waits while there are none. */
  async entries(from: number, signal: AbortSignal) {
    this.#expectReachable()
    if (from > this.newest.size) throw new CoreError('LOG_INVALID', 'the host has lost entries that it gave out before')
    if (from === this.newest.size && from > 1 && this.#answeredOnce) await this.#nextHead(signal)
    this.#answeredOnce = true
    this.#expectReachable()
    const length = this.newest.size
    return { entries: this.entriesSoFar.slice(from, Math.min(length, from + 5)), length, head: encodeHead(this.newest) }
  }

  async head(number: number | undefined) {
    this.#expectReachable()
    return await this.proofs.head(number)
  }

  async submit(command: Parameters<LedgerSource['submit']>[0]) {
    this.#expectReachable()
    const receipt = await this.network.ledger.submit(command)
    if (receipt.ok) this.sign()
    return receipt
  }

  #answeredOnce = false

  #expectReachable(): void {
    if (!this.isReachable) throw new CoreError('LEDGER_UNREACHABLE', 'the host is down')
  }

  #nextHead(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        this.#readers.delete(wake)
        resolve()
      }
      this.#readers.add(wake)
      signal.addEventListener('abort', () => {
        this.#readers.delete(wake)
        reject(signal.reason)
      })
    })
  }
}
