/**
 * The ledger machine: `apply(state, entry)` is all there is. Deterministic; sees no clock, no disk, no network.
 *
 * Every entry either changes the state and says what happened, or is refused and has changed nothing. Host, followers,
 * simulator and tests run this same function, and a replay years later gives the same state hash.
 */
import { equalBytes } from '@noble/curves/utils.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { seedOf, verifyBeaconSignature } from '../beacon/beacon.ts'
import { beaconRoundOf, opensLate, roundOpensMs } from '../rounds/schedule.ts'
import { setAsk, stakeVerifier, transfer } from './account-rules.ts'
import { closeRound, freezeRound } from './close-round.ts'
import type { Command, CommandKind } from './commands.ts'
import { addPieces, endDeal, openDeal, topUp } from './deal-rules.ts'
import type { Entry, EntryBody } from './entry.ts'
import { attest, proveToLedger } from './proof-rules.ts'
import { type Refused, refuse } from './refusal.ts'
import { type Applied, applied, type LedgerTools, type Rule } from './rules.ts'
import { accountOf, type LedgerState, openAccount } from './state.ts'
import { createStatementDigest, type Statement, type StatementDigest, signerOf } from './statements.ts'

const RULES: { [Kind in CommandKind]: Rule<Kind> } = {
  Transfer: transfer,
  Ask: setAsk,
  VerifierStake: stakeVerifier,
  DealOrder: openDeal,
  PiecesOrder: addPieces,
  TopUp: topUp,
  EndDeal: endDeal,
  Attestation: attest,
  SelfProof: proveToLedger
}

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
  const events = closeRound(state, false)
  state.round = round
  state.open = { seed: seedOf(beaconSignature), freeze: state.nextFreeze, verdicts: new Map(), selfProved: new Set() }
  state.nextFreeze = freezeRound(state)
  forgetExpiredIds(state)
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
  const events = closeRound(state, true)
  state.round = to
  forgetExpiredIds(state)
  return applied(...events, { kind: 'roundsVoided', from, to })
}

const digests = new WeakMap<Uint8Array, StatementDigest>()

/** What parties sign on a network; made once for each state. */
export function statementDigestOf(state: LedgerState): StatementDigest {
  const known = digests.get(state.networkId)
  if (known !== undefined) return known
  const digest = createStatementDigest(state.networkId)
  digests.set(state.networkId, digest)
  return digest
}

function applyCommand(state: LedgerState, command: Command, tools: LedgerTools): Applied {
  const digestOf = statementDigestOf(state)
  const { kind, statement } = command
  const digest = digestOf(kind, statement as Statement<typeof kind>)
  const signer = signerOf(kind, statement as Statement<typeof kind>)
  const idKey = 'id' in statement ? `${signer}/${statement.id}` : undefined
  const commandHash = bytesToHex(digest)
  const used =
    refuseUsedId(state, idKey, commandHash) ??
    refuseLastTransfer(state, command, commandHash) ??
    refuseExpired(state, command)
  if (used !== undefined) return used
  if (tools.signatures.recover(digest, command.signature) !== signer)
    return refuse('BAD_SIGNATURE', `${signer} did not sign this ${kind}`, { signer })
  const unaccepted = refuseUnaccepted(state, command, digest, tools)
  if (unaccepted !== undefined) return unaccepted
  const result = (RULES[kind] as Rule<typeof kind>)(state, command as never, tools)
  if (!result.ok) return result
  const { sequence } = state
  if (idKey !== undefined && 'validUntilRound' in statement)
    state.usedIds.set(idKey, { commandHash, sequence, validUntilRound: statement.validUntilRound })
  if (kind === 'Transfer') openAccount(state, signer).lastTransfer = { commandHash, sequence }
  return result
}

function refuseUsedId(state: LedgerState, idKey: string | undefined, commandHash: string): Refused | undefined {
  const used = idKey === undefined ? undefined : state.usedIds.get(idKey)
  if (used === undefined) return undefined
  if (used.commandHash === commandHash)
    return refuse('ALREADY_APPLIED', `this command is entry ${used.sequence}`, { sequence: used.sequence })
  return refuse('ID_REUSED', 'another command with this id has been applied; take a new id', {
    sequence: used.sequence
  })
}

/** A transfer has no id: of each account the newest is known, and those before it are refused for their nonce. */
function refuseLastTransfer(
  state: LedgerState,
  { kind, statement }: Command,
  commandHash: string
): Refused | undefined {
  if (kind !== 'Transfer') return undefined
  const last = accountOf(state, statement.from).lastTransfer
  if (last?.commandHash !== commandHash) return undefined
  return refuse('ALREADY_APPLIED', `this command is entry ${last.sequence}`, { sequence: last.sequence })
}

function refuseExpired(state: LedgerState, { statement }: Command): Refused | undefined {
  if (!('validUntilRound' in statement)) return undefined
  const { validUntilRound } = statement
  const { statementRoundsMax } = state.parameters
  if (validUntilRound < state.round)
    return refuse('EXPIRED', `valid until round ${validUntilRound}, and round ${state.round} has come`, {
      validUntilRound,
      round: state.round
    })
  if (validUntilRound > state.round + statementRoundsMax) {
    return refuse('VALID_TOO_LONG', `a statement is valid for at most ${statementRoundsMax} rounds`, {
      validUntilRound,
      round: state.round,
      statementRoundsMax
    })
  }
  return undefined
}

/** An order counts only with the provider's signature over it. */
function refuseUnaccepted(
  state: LedgerState,
  command: Command,
  order: Uint8Array,
  { signatures }: LedgerTools
): Refused | undefined {
  if (!('acceptance' in command)) return undefined
  const provider =
    command.kind === 'DealOrder' ? command.statement.provider : state.deals.get(command.statement.dealId)?.provider
  if (provider === undefined) return undefined // no such deal: the rule says so
  const accepted = signatures.recover(statementDigestOf(state)('Acceptance', { provider, order }), command.acceptance)
  return accepted === provider
    ? undefined
    : refuse('BAD_ACCEPTANCE', `${provider} did not accept this order`, { provider })
}

function forgetExpiredIds(state: LedgerState): void {
  for (const [key, { validUntilRound }] of state.usedIds) if (validUntilRound < state.round) state.usedIds.delete(key)
}
