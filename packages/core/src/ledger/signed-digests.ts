/** The signatures of a command, for whoever recovers their signers beforehand, on other threads. */

import type { Command } from './commands.ts'
import type { LedgerState } from './state.ts'
import type { Statement } from './statements.ts'
import { statementDigestOf } from './statements.ts'

/** What a signature is over, and the signature. */
export interface SignedDigest {
  readonly digest: Uint8Array
  readonly signature: Uint8Array
}

/**
 * What `apply` will ask about a command, as far as it can be known before: of an order for a deal that is not there yet, the
 * acceptance is left out. Changes nothing and decides nothing.
 */
export function signedDigestsOf(state: LedgerState, command: Command): SignedDigest[] {
  const digestOf = statementDigestOf(state)
  const { kind, statement, signature } = command
  const digest = digestOf(kind, statement as Statement<typeof kind>)
  const signed = [{ digest, signature }]
  if (!('acceptance' in command)) return signed
  const provider =
    command.kind === 'DealOrder' ? command.statement.provider : state.deals.get(command.statement.dealId)?.provider
  if (provider === undefined) return signed
  return [...signed, { digest: digestOf('Acceptance', { provider, order: digest }), signature: command.acceptance }]
}
