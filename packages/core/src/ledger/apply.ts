/**
 * The ledger machine: `apply(state, entry)` is all there is. Deterministic; sees no clock, no disk, no network.
 *
 * Every entry either changes the state and says what happened, or is refused and has changed nothing. Host, followers,
 * simulator and tests run this same function, and a replay years later gives the same state hash.
 */
import { equalBytes } from '@noble/curves/utils.js'
import { hexToBytes } from '@noble/hashes/utils.js'
import { seedOf, verifyBeaconSignature } from '../beacon/beacon.ts'
import { beaconRoundOf, opensLate, roundOpensMs } from '../rounds/schedule.ts'
import { applyCommand } from './apply-command.ts'
import { openRoundOf, passRounds, settleNext } from './close-round.ts'
import type { Entry, EntryBody } from './entry.ts'
import { refuse } from './refusal.ts'
import { type Applied, applied, type LedgerTools } from './rules.ts'
import type { LedgerState } from './state.ts'
import { expireIds } from './used-ids.ts'

export function apply(state: LedgerState, entry: Entry, tools: LedgerTools): Applied {
  if (entry.sequence !== state.sequence) {
    return refuse('WRONG_SEQUENCE', `expected entry ${state.sequence}, got ${entry.sequence}`, {
      expected: state.sequence,
      got: entry.sequence
    })
  }
  if (entry.timeMs < state.timeMs)
    return refuse('TIME_WENT_BACK', `entry ${entry.sequence} is older than the one before it`, {
      before: state.timeMs,
      got: entry.timeMs
    })
  const result = applyBody(state, entry.body, entry.timeMs, tools)
  if (!result.ok) return result
  state.sequence += 1
  state.timeMs = entry.timeMs
  return result
}

function applyBody(state: LedgerState, body: EntryBody, timeMs: number, tools: LedgerTools): Applied {
  if ((body.kind === 'genesis') !== (state.sequence === 0))
    return refuse('BAD_ENTRY', 'a log begins with its one genesis entry')
  switch (body.kind) {
    case 'genesis':
      return equalBytes(body.networkId, state.networkId)
        ? applied()
        : refuse('WRONG_NETWORK', 'this log belongs to another network')
    case 'openRound':
      return openRound(state, body.round, body.beaconSignature, timeMs)
    case 'voidRounds':
      return voidRounds(state, body.from, body.to, timeMs)
    case 'settle':
      return state.closing === undefined
        ? refuse('NOTHING_TO_SETTLE', 'every deal of the round that closed last is settled')
        : applied(...settleNext(state, body.count))
    case 'command':
      return applyCommand(state, body.command, tools)
  }
}

/**
 * Closes the open round and opens the next. Comes neither before the round's time nor too late for its deals to be
 * proved: a host that was away passes over such rounds with `voidRounds`.
 */
function openRound(state: LedgerState, round: number, beaconSignature: Uint8Array, timeMs: number): Applied {
  const { parameters } = state
  if (round !== state.round + 1)
    return refuse('WRONG_ROUND', `the next round is ${state.round + 1}, not ${round}`, {
      expected: state.round + 1,
      got: round
    })
  if (timeMs < roundOpensMs(parameters, round))
    return refuse('TOO_EARLY', `round ${round} has not begun`, { round, opensMs: roundOpensMs(parameters, round) })
  if (opensLate(parameters, round, timeMs))
    return refuse('TOO_LATE', `round ${round} can only be void now`, { round, timeMs })
  const publicKey = hexToBytes(parameters.beacon.publicKey)
  if (!verifyBeaconSignature(publicKey, beaconRoundOf(parameters, round), beaconSignature)) {
    return refuse('BAD_BEACON', `this is not the beacon's signature for round ${round}`, { round })
  }
  const events = openRoundOf(state, round, seedOf(beaconSignature))
  expireIds(state)
  return applied(...events, { kind: 'roundOpened', round })
}

function voidRounds(state: LedgerState, from: number, to: number, timeMs: number): Applied {
  if (from !== state.round + 1 || to < from)
    return refuse('WRONG_ROUND', `the next round is ${state.round + 1}; ${from} to ${to} cannot be void`, {
      expected: state.round + 1,
      got: from
    })
  if (!opensLate(state.parameters, to, timeMs))
    return refuse('TOO_EARLY', `round ${to} can still be opened`, { round: to, timeMs })
  const events = passRounds(state, to)
  expireIds(state)
  return applied(...events, { kind: 'roundsVoided', from, to })
}
