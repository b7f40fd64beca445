/** PROTOCOLS.md §7: what an entry does. */
import type { RefusalCode } from '../../../../src/ledger/refusal.ts'
import { closeRound, countsIn, settle, settleRest } from './boundary.ts'
import { applyCommand } from './commands.ts'
import type { Chance, FrozenPlaces, ModelEntry } from './facts.ts'
import { copy, type ModelDeal, type ModelState } from './state.ts'

export interface ModelRefusal {
  readonly code: RefusalCode
  /** Of the entry that did it first, where there is one. */
  readonly sequence?: number
}

export type ModelAnswer =
  | { readonly ok: true; readonly state: ModelState }
  | { readonly ok: false; readonly refusal: ModelRefusal }

/** Applies an entry to a copy: what is refused has changed nothing. */
export function applyToModel(before: ModelState, entry: ModelEntry, chance: Chance): ModelAnswer {
  const state = copy(before)
  const refused = applyEntry(state, entry, chance)
  if (refused !== undefined) return { ok: false, refusal: typeof refused === 'string' ? { code: refused } : refused }
  state.sequence += 1
  state.timeMs = entry.timeMs
  return { ok: true, state }
}

function applyEntry(
  state: ModelState,
  { sequence, timeMs, body, facts }: ModelEntry,
  chance: Chance
): RefusalCode | ModelRefusal | undefined {
  if (sequence !== state.sequence) return 'WRONG_SEQUENCE'
  if (timeMs < state.timeMs) return 'TIME_WENT_BACK'
  if ((body.kind === 'genesis') !== (sequence === 0)) return 'BAD_ENTRY'
  switch (body.kind) {
    case 'genesis':
      return facts.isRight ? undefined : 'WRONG_NETWORK'
    case 'openRound':
      return openRound(state, body.round, timeMs, facts.isRight === true, chance)
    case 'voidRounds':
      return voidRounds(state, body.from, body.to, timeMs)
    case 'settle':
      if (state.boundary === undefined) return 'NOTHING_TO_SETTLE'
      settle(state, body.count)
      return undefined
    case 'command':
      return applyCommand(state, body.command, facts.command!)
  }
}

function beginsMs({ parameters: { genesisMs, roundMs } }: ModelState, round: number): number {
  return genesisMs + roundMs * (round - 1)
}

function openRound(
  state: ModelState,
  round: number,
  timeMs: number,
  beaconIsRight: boolean,
  chance: Chance
): RefusalCode | undefined {
  const { roundLateMsMax } = state.parameters
  if (round !== state.round + 1) return 'WRONG_ROUND'
  if (timeMs < beginsMs(state, round)) return 'TOO_EARLY'
  if (timeMs > beginsMs(state, round) + roundLateMsMax) return 'TOO_LATE'
  if (!beaconIsRight) return 'BAD_BEACON'
  settleRest(state)
  const opening = state.openings + 1
  const challenged = state.deals.filter(deal => isChallenged(deal, opening, round))
  const verifiers = state.ready
  const deals = chance(
    round,
    verifiers,
    challenged.map(({ id, client, provider, operator, leavesPerRound, pieces }) => ({
      dealId: id,
      client,
      provider,
      operator,
      leavesPerRound,
      pieces: pieces.filter(piece => countsIn(piece, opening))
    }))
  )
  closeRound(state, round - 1, false)
  state.round = round
  state.openings = opening
  state.open = { opening, round, verifiers, deals: Object.freeze(deals), attested: [], selfProved: [] }
  state.ready = Object.freeze(placesOf(state))
  return undefined
}

function isChallenged({ status, lastRound, pieces }: ModelDeal, opening: number, round: number): boolean {
  const runs = status === 'active' || (status === 'ending' && lastRound >= round)
  return runs && pieces.some(piece => countsIn(piece, opening))
}

function placesOf({ verifiers, parameters }: ModelState): FrozenPlaces[] {
  return verifiers
    .map(({ address, operator, stake }) => ({
      address,
      operator,
      places: Number((stake / parameters.money.stakeUnit).toString())
    }))
    .filter(({ places }) => places > 0)
    .sort((a, b) => (a.address < b.address ? -1 : 1))
}

function voidRounds(state: ModelState, from: number, to: number, timeMs: number): RefusalCode | undefined {
  if (from !== state.round + 1 || to < from) return 'WRONG_ROUND'
  if (timeMs <= beginsMs(state, to) + state.parameters.roundLateMsMax) return 'TOO_EARLY'
  settleRest(state)
  closeRound(state, to, true)
  state.round = to
  return undefined
}
