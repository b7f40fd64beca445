/** PROTOCOLS.md §6: what is asked of every command before its rule. */
import type { Command } from '../../../../src/ledger/commands.ts'
import type { RefusalCode } from '../../../../src/ledger/refusal.ts'
import type { Address } from '../../../../src/schema.ts'
import { passDeal } from './boundary.ts'
import { applyDealRule } from './deal-rules.ts'
import { applyDisputeRule } from './dispute-rules.ts'
import type { ModelRefusal } from './entries.ts'
import type { CommandFacts } from './facts.ts'
import { applyOtherRule } from './other-rules.ts'
import { account, findDeal, type ModelState } from './state.ts'

export function applyCommand(
  state: ModelState,
  command: Command,
  facts: CommandFacts
): RefusalCode | ModelRefusal | undefined {
  const { statement } = command
  const signer = signerOf(command)
  const text = textOf(command)
  const refused = refuseRepeated(state, command, signer, text) ?? refuseUnsigned(state, command, facts)
  if (refused !== undefined) return refused
  if ('dealId' in statement) passDeal(state, statement.dealId)
  const broken =
    applyDealRule(state, command, facts) ??
    applyDisputeRule(state, command, facts) ??
    applyOtherRule(state, command, facts)
  if (broken !== undefined) return broken
  const { sequence } = state
  if ('id' in statement) state.ids.push({ signer, id: statement.id, text, sequence, until: statement.validUntilRound })
  else account(state, signer).last = { text, sequence }
  return undefined
}

/** The field that names who must have signed. */
function signerOf({ kind, statement }: Command): Address {
  switch (kind) {
    case 'Transfer':
      return statement.from
    case 'Ask':
    case 'SelfProof':
    case 'HandOver':
      return statement.provider
    case 'VerifierStake':
    case 'Attestation':
    case 'Unstake':
    case 'AnswerTranscript':
      return statement.verifier
    case 'EndDeal':
      return statement.party
    case 'DemandTranscript':
      return statement.demander
    case 'Refute':
      return statement.refuter
    case 'KeyChange':
      return statement.account
    case 'ParameterChange':
      return statement.host
    default:
      return statement.client
  }
}

/** One text for one statement. */
function textOf({ kind, statement }: Command): string {
  const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)
  return `${kind} ${JSON.stringify(statement, plain)}`
}

function refuseRepeated(
  state: ModelState,
  { statement }: Command,
  signer: Address,
  text: string
): ModelRefusal | undefined {
  const before =
    'id' in statement
      ? state.ids.findLast(one => one.signer === signer && one.id === statement.id && one.until >= state.round)
      : account(state, signer).last
  if (before?.text === text) return { code: 'ALREADY_APPLIED', sequence: before.sequence }
  return before !== undefined && 'id' in statement ? { code: 'ID_REUSED', sequence: before.sequence } : undefined
}

function refuseUnsigned(state: ModelState, command: Command, facts: CommandFacts): RefusalCode | undefined {
  const { statement } = command
  if ('validUntilRound' in statement) {
    if (statement.validUntilRound < state.round) return 'EXPIRED'
    if (statement.validUntilRound > state.round + state.parameters.statementRoundsMax) return 'VALID_TOO_LONG'
  }
  if (!facts.signed) return 'BAD_SIGNATURE'
  const hasProvider =
    command.kind === 'DealOrder' ||
    (command.kind === 'PiecesOrder' && findDeal(state, command.statement.dealId) !== undefined)
  return hasProvider && !facts.accepted ? 'BAD_ACCEPTANCE' : undefined
}
