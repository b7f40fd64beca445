/**
 * Which verdicts somebody looks at: pure choices over a round that is closed. A verdict can be looked at when it is *pass*
 * or *bad proof*; *no answer* shows nothing, and is never refuted.
 */
import { assignmentOf } from '../ledger/proof-rules.ts'
import { verdictsOn } from '../ledger/settle-deal.ts'
import type { LedgerState, OpenRound } from '../ledger/state.ts'
import { countAssignedTo, dealsAssignedTo, rankOf } from '../rounds/assignment.ts'
import type { Draw } from '../rounds/draw.ts'
import { verdictAt } from '../rounds/verdicts.ts'
import type { Address } from '../schema.ts'
import type { VerdictTarget } from '../verifier/check-transcript.ts'

/** A verdict that somebody can be held to. */
export interface ChosenVerdict extends VerdictTarget {
  readonly verdict: 'pass' | 'bad proof'
}

/** @returns which verdicts of a closed round to look at, the most suspicious first */
export type ChooseVerdicts = (state: LedgerState, round: OpenRound, draw: Draw) => ChosenVerdict[]

const RATE_STEPS = 2 ** 31
const TRIES_PER_VERDICT = 8

/**
 * Draws from the verdicts of all other verifiers: each one has the same chance, so nobody who lies can tell which lie is
 * looked at.
 *
 * @param rate - of all verdicts, 0 ≤ rate ≤ 1; the fraction of a verdict that is left over is drawn for
 */
export function drawVerdicts(
  state: LedgerState,
  round: OpenRound,
  { self, rate, countMax, draw }: { readonly self: Address; rate: number; countMax: number; draw: Draw }
): ChosenVerdict[] {
  const assignment = assignmentOf(state, round)
  const spans: { readonly verifier: Address; readonly from: number; readonly verdicts: Uint8Array }[] = []
  let all = 0
  for (const [verifier, { verdicts }] of round.attestations) {
    if (verifier === self) continue
    spans.push({ verifier, from: all, verdicts })
    all += countAssignedTo(assignment, verifier)
  }
  if (all === 0) return []
  const wanted = all * rate
  const count = Math.min(
    countMax,
    Math.floor(wanted) + (draw.below(RATE_STEPS) < (wanted % 1) * RATE_STEPS ? 1 : 0),
    all
  )
  const drawn = new Set<number>()
  const chosen: ChosenVerdict[] = []
  // Those that say nothing are passed over, which can take many draws when few say anything.
  for (let tries = 0; chosen.length < count && tries < TRIES_PER_VERDICT * count; tries += 1) {
    const place = draw.below(all)
    if (drawn.has(place)) continue
    drawn.add(place)
    const { verifier, from, verdicts } = spans.findLast(span => span.from <= place)!
    const verdict = verdictAt(verdicts, place - from)
    if (verdict === 'no answer') continue
    chosen.push({ verifier, round: round.round, dealId: dealsAssignedTo(assignment, verifier)[place - from]!, verdict })
  }
  return chosen
}

/** What others said against what a verifier has seen itself: of two that looked at one deal, one may have looked away. */
export function contradictionsTo(state: LedgerState, round: OpenRound, verifier: Address): ChosenVerdict[] {
  const dealIds = dealsAssignedTo(assignmentOf(state, round), verifier)
  const own = round.attestations.get(verifier)
  if (own === undefined) return []
  return dealIds.flatMap((dealId, position) => {
    const seen = verdictAt(own.verdicts, position)
    return saidOf(state, round, dealId).filter(one => one.verifier !== verifier && one.verdict !== seen)
  })
}

/** Bad proofs that were attested of a provider's deals. Whoever signs none but good proofs knows each of them for a lie. */
export function badProofsAgainst(state: LedgerState, round: OpenRound, provider: Address): ChosenVerdict[] {
  return [...(state.dealsByProvider.get(provider) ?? [])]
    .filter(dealId => rankOf(round.dealIds, dealId) !== -1)
    .flatMap(dealId => saidOf(state, round, dealId).filter(({ verdict }) => verdict === 'bad proof'))
}

function saidOf(state: LedgerState, round: OpenRound, dealId: number): ChosenVerdict[] {
  return verdictsOn(state, round, dealId).flatMap(({ verifier, verdict }) =>
    verdict === undefined || verdict === 'no answer' ? [] : [{ verifier, round: round.round, dealId, verdict }]
  )
}
