/**
 * Watches the heads that come with other peers' messages, for a second history.
 *
 * Owns the newest head that this peer knows, which it sends on, and the newest *checked* one: a head that is known to
 * continue everything this peer has believed before. Every other head is compared with that: at once when the two alone
 * contradict each other, else by a consistency path, from this peer's own tree or from somebody who holds the log.
 *
 * Heads come from strangers with every message, so that work is bounded: bytes that are known cost a comparison; a head's
 * signature is checked once; checks of heads that turn out forged, or are old, come out of an allowance by time; one
 * comparison runs at a time and few wait. A flood may delay the news of a fork, it cannot invent one: what is reported is
 * a proof that anybody can check.
 */
import { equalBytes } from '@noble/curves/utils.js'
import type { Clock } from '../clock.ts'
import { consistencyRoots } from '../evidence/merkle-consistency.ts'
import type { HeadExchange } from '../protocols/envelope.ts'
import { type Contradiction, forkProofOf, verifyForkProof } from './fork-proof.ts'
import { decodeHead, encodeHead, type HeadAuthority, hashHead, type SignedLogHead, verifyHead } from './log-head.ts'

/** Two signed heads that no single history can have. */
export interface Fork {
  readonly contradiction: Contradiction
  /** for `verifyForkProof`, and for `holdfast ledger check-fork` */
  readonly proof: Uint8Array
}

export interface HeadWatchOptions {
  readonly authority: HeadAuthority
  readonly clock: Pick<Clock, 'now'>
  /**
   * The path from the first `from` entries to the first `to` of one log, see `consistencyRoots`; undefined when it is not
   * to be had now. What leads elsewhere than to a signed head is dropped.
   */
  readonly path: (from: number, to: number) => Promise<readonly Uint8Array[] | undefined>
  /** Told once, with a proof. */
  readonly onFork: (fork: Fork) => void
  /** Told of every head that has a higher number than all before. A host that did not sign it lately was rolled back. */
  readonly onNewer?: (head: SignedLogHead) => void
  /** Our own failures: a path that throws, a listener that throws. */
  readonly onError?: (error: unknown) => void
}

export interface HeadWatch extends HeadExchange {
  /** The newest head that continues all that was believed before. */
  readonly checked: SignedLogHead | undefined
  /**
   * Takes a head that the caller has verified and believes: it stands over its own log, or its own host gave it first.
   * What comes is compared with it from now on; before the first, heads are compared with each other alone.
   */
  advance(head: SignedLogHead): void
  /** A head that was seen lately, by its number. */
  headOf(number: number): SignedLogHead | undefined
  /** Resolves when nothing is being compared. */
  settled(): Promise<void>
}

/** Heads that are remembered by number: minutes of a busy host. */
const REMEMBERED_MAX = 256
/** Heads that wait to be compared. */
const WAITING_MAX = 16
/** Signature checks a second for heads that are forged or old: some hundredths of one core. */
const CHECKS_PER_SECOND = 32

export function createHeadWatch(options: HeadWatchOptions): HeadWatch {
  const { authority, clock, path, onFork, onNewer, onError } = options
  const allowance = createAllowance(clock)
  const remembered = new Map<number, SignedLogHead>()
  let waiting: SignedLogHead[] = []
  let newest: { readonly head: SignedLogHead; readonly bytes: Uint8Array } | undefined
  let checked: SignedLogHead | undefined
  let isForked = false
  let isBehind = false
  let comparing: Promise<void> | undefined

  function remember(head: SignedLogHead): void {
    remembered.set(head.number, head)
    for (const number of remembered.keys()) {
      if (remembered.size <= REMEMBERED_MAX) break
      remembered.delete(number)
    }
    if (newest === undefined || head.number > newest.head.number) newest = { head, bytes: encodeHead(head) }
  }

  function report(a: SignedLogHead, b: SignedLogHead, between?: readonly Uint8Array[]): boolean {
    const proof = isForked ? undefined : forkProofOf(a, b, between)
    if (proof === undefined) return isForked
    const verdict = verifyForkProof(proof, authority)
    if (!verdict.ok) return false
    isForked = true
    waiting = []
    attempt(() => onFork({ contradiction: verdict.contradiction, proof }))
    return true
  }

  function attempt(tell: () => void): void {
    try {
      tell()
    } catch (error) {
      onError?.(error)
    }
  }

  function take(bytes: Uint8Array): void {
    if (newest !== undefined && equalBytes(newest.bytes, bytes)) return
    const claimed = decodeHead(bytes)
    if (claimed === undefined || !equalBytes(claimed.networkId, authority.networkId)) return
    const known = remembered.get(claimed.number)
    if (known !== undefined && equalBytes(hashHead(known), hashHead(claimed))) return
    const isNewer = newest === undefined || claimed.number > newest.head.number
    if (!allowance.isLeft()) return
    const verdict = verifyHead(bytes, authority)
    if (!verdict.ok || !isNewer) allowance.spend()
    if (!verdict.ok) return
    const { head } = verdict
    for (const other of remembered.values()) if (report(head, other)) return
    remember(head)
    if (isNewer && onNewer !== undefined) attempt(() => onNewer(head))
    wait(head)
  }

  /** The newest in any case: it is what the others will be compared with. */
  function wait(head: SignedLogHead): void {
    waiting = [...waiting, head].sort((a, b) => a.number - b.number)
    if (waiting.length > WAITING_MAX) waiting.splice(-2, 1)
    compareWaiting()
  }

  function compareWaiting(): void {
    isBehind = true
    comparing ??= compareAll()
      .catch(error => onError?.(error))
      .finally(() => {
        comparing = undefined
      })
  }

  /** Passes over those that wait until nothing new has come; what cannot be compared yet waits for the next head. */
  async function compareAll(): Promise<void> {
    while (isBehind && !isForked) {
      isBehind = false
      for (const head of waiting) if (await isCompared(head)) waiting = waiting.filter(one => one !== head)
    }
  }

  async function isCompared(head: SignedLogHead): Promise<boolean> {
    const base = checked
    if (base === undefined || isForked) return isForked
    const [older, newer] = head.size <= base.size ? [head, base] : [base, head]
    const between = await path(older.size, newer.size)
    const roots = between === undefined ? undefined : consistencyRoots(older.size, newer.size, between)
    if (roots === undefined || !equalBytes(roots.to, newer.root)) return false
    if (report(older, newer, between)) return true
    if (newer === head && base === checked) checked = head
    return true
  }

  return {
    get checked() {
      return checked
    },
    latest: () => newest?.bytes,
    headOf: number => remembered.get(number),
    saw(bytes) {
      if (!isForked) attempt(() => take(bytes))
    },
    advance(head) {
      if (isForked) return
      for (const other of remembered.values()) if (report(head, other)) return
      remember(head)
      checked = head
      if (waiting.length > 0) compareWaiting()
    },
    async settled() {
      while (comparing !== undefined) await comparing
    }
  }
}

/** So many a second, and no more than a second's worth at once. */
function createAllowance(clock: Pick<Clock, 'now'>) {
  let left = CHECKS_PER_SECOND
  let lastMs = clock.now()
  return {
    isLeft(): boolean {
      const nowMs = clock.now()
      left = Math.min(CHECKS_PER_SECOND, left + (Math.max(0, nowMs - lastMs) * CHECKS_PER_SECOND) / 1000)
      lastMs = nowMs
      return left >= 1
    },
    spend() {
      left -= 1
    }
  }
}
