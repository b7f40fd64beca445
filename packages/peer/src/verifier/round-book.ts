/**
 * What a verifier did in its newest rounds: what was assigned, what came of it, when it attested, what it earned. Kept in
 * memory for screens; the ledger is the truth about verdicts and fees, the verifier's own events about what is under way.
 */
import {
  type Address,
  type AppliedEntry,
  assignmentOf,
  countAssignedTo,
  type Ledger,
  type LedgerEvent,
  resultsIn,
  type Verdict,
  type VerifierEvent
} from '@holdfast/core'

/** A day of rounds of five minutes. */
const ROUNDS_MAX = 288

export interface VerifierRound {
  readonly round: number
  readonly assigned: number
  readonly passed: number
  readonly bad: number
  /** Deals that gave no answer, as attested; those that are still waited for are none of these. */
  readonly noAnswer: number
  /** Providers that had to be asked. */
  readonly dialled: number
  /** When the ledger took the attestation, by the host's clock, milliseconds of Unix time; undefined while it has not. */
  readonly attestedMs: number | undefined
  /** Why the ledger did not take it. */
  readonly refusal: string | undefined
  readonly isClosed: boolean
  /** Fees in atto, of the deals that have been settled. */
  readonly fees: bigint
  /** Stake in atto that was lost for silence. */
  readonly penalty: bigint
}

type Draft = { -readonly [Key in keyof VerifierRound]: VerifierRound[Key] }

export interface RoundBook extends Disposable {
  /** What the verifier reports. */
  note(event: VerifierEvent): void
  /** The newest rounds in which something was assigned, oldest first. */
  rounds(last?: number): VerifierRound[]
  /** Calls back with a round whenever something in it has changed. @returns a function that ends it */
  subscribe(listener: (round: VerifierRound) => void): () => void
}

export function createRoundBook(ledger: Ledger, address: Address): RoundBook {
  const { state } = ledger
  const drafts = new Map<number, Draft>()
  const listeners = new Set<(round: VerifierRound) => void>()
  /** Deals of the newest round that something has come from. */
  let found = new Set<number>()

  function draftOf(round: number): Draft | undefined {
    return drafts.get(round)
  }

  function tell(draft: Draft | undefined): void {
    if (draft !== undefined) for (const listener of [...listeners]) listener({ ...draft })
  }

  function open(round: number): void {
    if (state.open?.round !== round) return
    const assigned = countAssignedTo(assignmentOf(state, state.open), address)
    if (assigned === 0) return
    found = new Set()
    const draft = emptyRound(round, assigned)
    drafts.set(round, draft)
    if (drafts.size > ROUNDS_MAX) drafts.delete(drafts.keys().next().value!)
    tell(draft)
  }

  function settle(event: Extract<LedgerEvent, { kind: 'roundClosed' | 'dealsSettled' }>): void {
    const draft = draftOf(event.round)
    if (draft === undefined) return
    draft.isClosed = true
    for (const { fees, paidVerifiers } of resultsIn(event))
      if (paidVerifiers.includes(address)) draft.fees += fees / BigInt(paidVerifiers.length)
    tell(draft)
  }

  function follow({ entry, events }: AppliedEntry): void {
    for (const event of events) {
      if (event.kind === 'roundClosed' || event.kind === 'dealsSettled') settle(event)
      if (event.kind === 'silent' && event.verifier === address) {
        const draft = draftOf(event.round)
        if (draft !== undefined) draft.penalty += event.penalty
        tell(draft)
      }
      if (event.kind === 'attested' && event.verifier === address) {
        const draft = draftOf(event.round)
        if (draft !== undefined) draft.attestedMs = entry.timeMs
        tell(draft)
      }
      if (event.kind === 'roundOpened') open(event.round)
    }
  }

  open(state.round)
  const end = ledger.subscribe(follow)
  return {
    note(event) {
      if (event.kind === 'checked') {
        const { dealId, verdict } = event.checked
        const draft = draftOf(event.round)
        if (draft === undefined || verdict === 'not asked' || event.round !== state.round) return
        if (found.has(dealId)) return
        found.add(dealId)
        draft[verdict === 'pass' ? 'passed' : 'bad'] += 1
        tell(draft)
      }
      if (event.kind === 'dialled') {
        const draft = draftOf(event.dial.round)
        if (draft !== undefined) draft.dialled += 1
      }
      if (event.kind === 'attested') {
        const draft = draftOf(event.round)
        if (draft === undefined) return
        const { receipt, verdicts } = event
        draft.refusal = receipt.ok ? undefined : receipt.refusal.message
        const count = (wanted: Verdict) => verdicts.filter(({ verdict }) => verdict === wanted).length
        draft.passed = count('pass')
        draft.bad = count('bad proof')
        draft.noAnswer = count('no answer')
        tell(draft)
      }
    },
    rounds: (last = ROUNDS_MAX) =>
      [...drafts.values()].slice(Math.max(0, drafts.size - last)).map(draft => ({ ...draft })),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    [Symbol.dispose]: end
  }
}

/** A round of which nothing has been told but what is assigned. */
export function emptyRound(round: number, assigned: number): Draft {
  return {
    round,
    assigned,
    passed: 0,
    bad: 0,
    noAnswer: 0,
    dialled: 0,
    attestedMs: undefined,
    refusal: undefined,
    isClosed: false,
    fees: 0n,
    penalty: 0n
  }
}
