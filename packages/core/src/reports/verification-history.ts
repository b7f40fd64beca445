/**
 * How each deal was last verified, kept from the log's entries as they are applied: in which round, by whom, how, when.
 *
 * The ledger's state counts rounds; who attested what of them it keeps only for as long as it can be disputed, and when an
 * attestation came stands in the log alone. One record a deal is kept.
 */
import type { LedgerEvent } from '../ledger/event.ts'
import { resultsIn } from '../ledger/event.ts'
import type { AppliedEntry } from '../ledger/ledger.ts'
import { assignmentOf } from '../ledger/proof-rules.ts'
import type { LedgerState, OpenRound } from '../ledger/state.ts'
import { positionOf, verifiersOfDeal } from '../rounds/assignment.ts'
import { frozenDealOf } from '../rounds/freeze.ts'
import { mustBeOpened } from '../rounds/opening.ts'
import type { Outcome } from '../rounds/outcome.ts'
import { verdictAt } from '../rounds/verdicts.ts'
import type { Address } from '../schema.ts'

export type VerifiedHow =
  /** By a quorum: those of its verifiers that said *pass*. */
  | { readonly kind: 'attested'; readonly verifiers: readonly Address[] }
  /** By a proof that stands on the ledger, which everybody checks. `drawn`: because the round, or somebody, demanded it. */
  | { readonly kind: 'self-proof'; readonly drawn: boolean }

/** A round that was proved. */
export interface Verification {
  readonly round: number
  /** Its opening: which pieces it challenged; undefined when the round was forgotten before it was told. */
  readonly opening: number | undefined
  /** When the proof, or the last attestation that the quorum needed, came: milliseconds of Unix time by the host's clock. */
  readonly timeMs: number
  readonly how: VerifiedHow
}

export interface DealVerification {
  readonly lastVerified: Verification | undefined
  /** The newest round that has closed. */
  readonly lastClosed: { readonly round: number; readonly timeMs: number; readonly outcome: Outcome } | undefined
  /** The newest proof of leaves that the deal owed. */
  readonly lastCleared: { readonly round: number; readonly timeMs: number; readonly leaves: number } | undefined
}

export interface VerificationHistory {
  /** Takes the next entry, and the state with it applied; later ones may be applied already. */
  note(applied: AppliedEntry, state: LedgerState): void
  of(dealId: number): DealVerification
}

const NOTHING: DealVerification = { lastVerified: undefined, lastClosed: undefined, lastCleared: undefined }

/** Whatever came before its first entry it does not know. */
export function createVerificationHistory(): VerificationHistory {
  const known = new Map<number, DealVerification>()
  /** Of the newest round and the one before it, whose last deals may be settled late. */
  const rounds = new Map<number, RoundTimes>()

  function timesOf(round: number): RoundTimes {
    const times = rounds.get(round) ?? { attestedMs: new Map(), selfProved: new Map() }
    rounds.set(round, times)
    for (const old of rounds.keys()) if (old < round - 1) rounds.delete(old)
    return times
  }

  function update(dealId: number, change: Partial<DealVerification>): void {
    known.set(dealId, { ...(known.get(dealId) ?? NOTHING), ...change })
  }

  function noteSelfProof(event: LedgerEvent & { kind: 'selfProved' }, timeMs: number, state: LedgerState): void {
    const { dealId, round, docketLeavesCleared: leaves } = event
    if (leaves > 0) update(dealId, { lastCleared: { round, timeMs, leaves } })
    else timesOf(round).selfProved.set(dealId, { timeMs, drawn: wasDrawn(state, roundOf(state, round), dealId) })
  }

  function noteResults(event: LedgerEvent, timeMs: number, state: LedgerState): void {
    for (const { dealId, outcome, paidVerifiers } of resultsIn(event)) {
      const { round } = event as { readonly round: number }
      const lastClosed = { round, timeMs, outcome }
      if (outcome.kind !== 'proved') {
        update(dealId, { lastClosed })
        continue
      }
      const times = timesOf(round)
      const known = roundOf(state, round)
      const proof = times.selfProved.get(dealId)
      const opening = known?.opening
      const lastVerified: Verification =
        outcome.by === 'self-proof'
          ? {
              round,
              opening,
              timeMs: proof?.timeMs ?? timeMs,
              how: { kind: 'self-proof', drawn: proof?.drawn ?? false }
            }
          : { round, opening, ...attested(known === undefined ? paidVerifiers : passesOf(state, known, dealId), times) }
      update(dealId, { lastVerified, lastClosed })
    }

    function attested(verifiers: readonly Address[], { attestedMs }: RoundTimes) {
      const cameMs = verifiers.flatMap(verifier => attestedMs.get(verifier) ?? []).sort((a, b) => a - b)
      const needed = cameMs[Math.min(state.parameters.proving.quorum, cameMs.length) - 1]
      return { timeMs: needed ?? timeMs, how: { kind: 'attested', verifiers } as const }
    }
  }

  return {
    note({ entry: { timeMs }, events }, state) {
      for (const event of events) {
        if (event.kind === 'attested') timesOf(event.round).attestedMs.set(event.verifier, timeMs)
        else if (event.kind === 'selfProved') noteSelfProof(event, timeMs, state)
        else noteResults(event, timeMs, state)
      }
    },
    of: dealId => known.get(dealId) ?? NOTHING
  }
}

/** When what came in a round. */
interface RoundTimes {
  readonly attestedMs: Map<Address, number>
  readonly selfProved: Map<number, { readonly timeMs: number; readonly drawn: boolean }>
}

function roundOf({ open, closed }: LedgerState, round: number): OpenRound | undefined {
  return open?.round === round ? open : closed.get(round)
}

function wasDrawn(state: LedgerState, round: OpenRound | undefined, dealId: number): boolean {
  const deal = state.deals.get(dealId)
  if (round === undefined || deal === undefined) return false
  return mustBeOpened(round.seed, frozenDealOf(deal, round.opening), state.parameters.proving.openingOneIn)
}

/** The verifiers of a deal that said *pass*, in the order of their places. */
function passesOf(state: LedgerState, round: OpenRound, dealId: number): Address[] {
  const assignment = assignmentOf(state, round)
  return verifiersOfDeal(assignment, dealId).filter(verifier => {
    const said = round.attestations.get(verifier)
    return said !== undefined && verdictAt(said.verdicts, positionOf(assignment, verifier, dealId)) === 'pass'
  })
}
