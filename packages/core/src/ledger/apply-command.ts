/** Applies one command: its id, its validity and its signatures first, then the rule of its kind. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { setAsk, transfer } from './account-rules.ts'
import { settleTouched } from './close-round.ts'
import type { Command, CommandKind } from './commands.ts'
import { demandOpening, endDeal, openDeal, topUp } from './deal-rules.ts'
import { answerTranscript, demandTranscript, refute } from './dispute-rules.ts'
import { handOver, orderTakeOver } from './hand-over-rules.ts'
import { addPieces, removePieces } from './piece-rules.ts'
import { attest, proveToLedger } from './proof-rules.ts'
import { type Refused, refuse } from './refusal.ts'
import { type Applied, applied, type LedgerTools, type Rule } from './rules.ts'
import { accountOf, type LedgerState, openAccount } from './state.ts'
import { type Statement, signerOf, statementDigestOf } from './statements.ts'
import { findUsedId, rememberId } from './used-ids.ts'
import { stakeVerifier, unstake } from './verifier-rules.ts'

const reserved = () => refuse('RESERVED', 'this network does not know this command yet; its name is kept for it')

const RULES: { [Kind in CommandKind]: Rule<Kind> } = {
  Transfer: transfer,
  Ask: setAsk,
  VerifierStake: stakeVerifier,
  DealOrder: openDeal,
  PiecesOrder: addPieces,
  RemovePieces: removePieces,
  TopUp: topUp,
  EndDeal: endDeal,
  Attestation: attest,
  SelfProof: proveToLedger,
  DemandOpening: demandOpening,
  Unstake: unstake,
  DemandTranscript: demandTranscript,
  AnswerTranscript: answerTranscript,
  Refute: refute,
  TakeOverOrder: orderTakeOver,
  HandOver: handOver,
  KeyChange: reserved,
  ParameterChange: reserved
}

export function applyCommand(state: LedgerState, command: Command, tools: LedgerTools): Applied {
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
  const result = applyRule(state, command, tools)
  if (!result.ok) return result
  const { sequence } = state
  if (idKey !== undefined && 'validUntilRound' in statement)
    rememberId(state, idKey, { commandHash, sequence, validUntilRound: statement.validUntilRound })
  if (kind === 'Transfer') openAccount(state, signer).lastTransfer = { commandHash, sequence }
  return result
}

/** A deal that a command is about passes the boundary before it, if it has not; and not for a command that is refused. */
function applyRule(state: LedgerState, command: Command, tools: LedgerTools): Applied {
  const { kind, statement } = command
  const touched = 'dealId' in statement ? settleTouched(state, statement.dealId) : undefined
  const result = ruleOf(kind)(state, command, tools)
  if (touched === undefined) return result
  if (!result.ok) {
    touched.undo()
    return result
  }
  touched.commit()
  return applied(...touched.events, ...result.events)
}

function ruleOf<Kind extends CommandKind>(kind: Kind): Rule<Kind> {
  return RULES[kind]
}

function refuseUsedId(state: LedgerState, idKey: string | undefined, commandHash: string): Refused | undefined {
  const used = idKey === undefined ? undefined : findUsedId(state, idKey)
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
