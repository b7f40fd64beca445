/**
 * From bodies to durable entries under a signed head, in groups.
 *
 * A group is applied, appended with one sync, and covered by a head that is durable too; only then does anybody hear of it.
 * While one group's syncs run the next is applied, and groups end in the order in which they began. Signatures are recovered
 * by the pool while a command waits for its turn. A write that fails ends the writer for good: what the machine holds is then
 * ahead of the disk.
 */
import {
  type AppliedEntry,
  type Clock,
  type Command,
  type EntryBody,
  encodeEntry,
  headAfter,
  type LedgerMachine,
  type LogTree,
  type Receipt,
  receiptOf,
  type SignedLogHead,
  type Signer,
  signedDigestsOf,
  signHead
} from '@holdfast/core'
import type { HeadRing } from './head-ring.ts'
import { GROUP_SIZE_BYTES_MAX, type SegmentLog } from './segment-log.ts'
import type { SignaturePool } from './signature-pool.ts'

/** Entries of one group: bounds its memory and the wait of its first command. */
const GROUP_ENTRIES_MAX = 256
/** A group is full from here on: with one more entry, and the headers of all, it is still one append of the log. */
const GROUP_SIZE_BYTES = GROUP_SIZE_BYTES_MAX / 2
/** Groups that are applied and not durable: one in the log's sync, one in its head's. */
const GROUPS_IN_FLIGHT_MAX = 2

export interface GroupWriterOptions {
  readonly machine: LedgerMachine
  /** Over all entries that the machine has applied. */
  readonly tree: LogTree
  readonly log: SegmentLog
  readonly heads: HeadRing
  /** The host's. */
  readonly signer: Pick<Signer, 'sign'>
  readonly clock: Clock
  readonly signatures: Pick<SignaturePool, 'prefetch'> | undefined
  /** Told of each group once it is durable. */
  readonly onDurable: (applied: readonly AppliedEntry[], head: SignedLogHead) => void
  /** Told once; everything that waits has been rejected with the same. */
  readonly onFailure: (error: unknown) => void
}

export interface GroupWriter {
  /** Resolves when the entry is durable under a head, or was refused. @throws what the disk says */
  append(body: EntryBody): Promise<Receipt>
  /** Signs a head over entries of the log that have none yet: what a crash left between the two. */
  coverLog(): Promise<void>
  /** Rejects what waits and takes no more. */
  fail(error: unknown): void
  /** Resolves when nothing is on its way. */
  idle(): Promise<void>
}

interface Pending {
  readonly body: EntryBody
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: unknown) => void
  /** Until the pool knows the signers. */
  verifying: Promise<void> | undefined
}

interface Group {
  readonly members: readonly Pending[]
  readonly receipts: readonly Receipt[]
  readonly applied: readonly AppliedEntry[]
  readonly payloads: readonly Uint8Array[]
}

export function createGroupWriter(options: GroupWriterOptions): GroupWriter {
  const { machine, tree, log, heads, signer, clock, signatures, onDurable, onFailure } = options
  const queue: Pending[] = []
  /** Ends of the groups on their way, in order; none rejects. */
  const inFlight: Promise<void>[] = []
  let newest = heads.last
  let failure: { readonly error: unknown } | undefined
  let running: Promise<void> | undefined

  function append(body: EntryBody): Promise<Receipt> {
    if (failure !== undefined) return Promise.reject(failure.error)
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>()
    const pending: Pending = { body, resolve, reject, verifying: undefined }
    if (body.kind === 'command') verify(pending, body.command)
    queue.push(pending)
    running ??= run()
    return promise
  }

  function verify(pending: Pending, command: Command): void {
    if (signatures === undefined) return
    pending.verifying = prefetch(signatures, command)
      .catch(() => undefined) // the machine will meet the same command, and say what is wrong
      .then(() => {
        pending.verifying = undefined
      })
  }

  async function prefetch(pool: Pick<SignaturePool, 'prefetch'>, command: Command): Promise<void> {
    await pool.prefetch(signedDigestsOf(machine.state, command))
  }

  async function run(): Promise<void> {
    await Promise.resolve() // whoever submits in the same turn shares the sync
    while (queue.length > 0) {
      // A group costs two syncs and a signature: under load it waits until half of what is there is verified, and the pool
      // works on the other half while the group is written. At rest nobody waits for anybody.
      await queue[Math.ceil(Math.min(queue.length, GROUP_ENTRIES_MAX) / 2) - 1]!.verifying
      await queue[0]?.verifying
      while (inFlight.length >= GROUPS_IN_FLIGHT_MAX) await inFlight[0]
      if (queue.length > 0) writeGroup()
    }
    // In the same turn as the look at the queue: what comes later starts a new run.
    running = undefined
  }

  function writeGroup(): void {
    const members: Pending[] = []
    try {
      const group = applyGroup(members)
      const { applied, payloads } = group
      if (payloads.length === 0) {
        follow(group, undefined, undefined)
        return
      }
      const appended = log.append(payloads)
      appended.catch(() => undefined) // heard of in its turn
      for (const payload of payloads) tree.append(payload)
      follow(group, appended, nextHead(applied.at(-1)!.entry.timeMs))
    } catch (error) {
      for (const { reject } of members) reject(error)
      fail(error)
    }
  }

  /** Applies what waits and is verified, in order, up to the size of a group. */
  function applyGroup(members: Pending[]): Group {
    const receipts: Receipt[] = []
    const applied: AppliedEntry[] = []
    const payloads: Uint8Array[] = []
    for (let sizeBytes = 0; members.length < GROUP_ENTRIES_MAX && sizeBytes < GROUP_SIZE_BYTES; ) {
      if (queue[0] === undefined || queue[0].verifying !== undefined) break
      const pending = queue.shift()!
      members.push(pending)
      const result = machine.applyNext(pending.body, clock.now())
      receipts.push(receiptOf(result))
      if (!result.ok) continue
      const payload = encodeEntry(result.applied.entry)
      applied.push(result.applied)
      payloads.push(payload)
      sizeBytes += payload.length
    }
    return { members, receipts, applied, payloads }
  }

  function nextHead(timeMs: number): SignedLogHead {
    const { networkId } = machine.state
    newest = signHead(headAfter(newest, { networkId, size: tree.size, root: tree.root(), timeMs }), signer)
    return newest
  }

  /** Ends a group after those before it: even a refusal may speak of an entry that is not durable yet. */
  function follow(group: Group, appended: Promise<unknown> | undefined, head: SignedLogHead | undefined): void {
    const before = inFlight.at(-1)
    const end = (async () => {
      await before
      try {
        await appended
        if (head !== undefined) await heads.write(head)
        else if (failure !== undefined) throw failure.error
      } catch (error) {
        for (const { reject } of group.members) reject(error)
        fail(error)
        return
      }
      if (head !== undefined) onDurable(group.applied, head)
      for (const [index, { resolve }] of group.members.entries()) resolve(group.receipts[index]!)
    })().finally(() => inFlight.splice(inFlight.indexOf(end), 1))
    inFlight.push(end)
  }

  function fail(error: unknown): void {
    for (const { reject } of queue.splice(0)) reject(error)
    if (failure !== undefined) return
    failure = { error }
    onFailure(error)
  }

  return {
    append,
    async coverLog() {
      if (tree.size === 0 || tree.size === newest?.size) return
      await heads.write(nextHead(machine.state.timeMs))
    },
    fail,
    async idle() {
      while (running !== undefined || inFlight.length > 0) await Promise.all([running, ...inFlight])
    }
  }
}
