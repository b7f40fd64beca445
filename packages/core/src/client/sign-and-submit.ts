import { bytesToHex } from '@noble/hashes/utils.js'
import { CoreError } from '../error.ts'
import type { Signer } from '../identity.ts'
import type { Command } from '../ledger/commands.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Statement, statementDigestOf } from '../ledger/statements.ts'

/** Rounds that a statement of a client stays valid while it is on its way. */
const VALID_ROUNDS = 10

export interface SubmitComponents {
  readonly ledger: Ledger
  readonly signer: Signer
  readonly random: (sizeBytes: number) => Uint8Array
}

type Kind = 'RemovePieces' | 'TopUp' | 'EndDeal'
type Unsigned<Signed extends Kind> = Omit<Statement<Signed>, 'id' | 'validUntilRound'>

/**
 * Signs a statement that needs nobody else's word, and waits until the ledger has taken it.
 *
 * @throws {CoreError} `LEDGER_REFUSED` with the ledger's reason; `LEDGER_UNREACHABLE`
 */
export async function signAndSubmit<Signed extends Kind>(
  { ledger, signer, random }: SubmitComponents,
  kind: Signed,
  unsigned: Unsigned<Signed>,
  signal: AbortSignal | undefined
): Promise<void> {
  const { state } = ledger
  const statement = {
    ...unsigned,
    id: bytesToHex(random(16)),
    validUntilRound: state.round + Math.min(VALID_ROUNDS, state.parameters.statementRoundsMax)
  } as Statement<Signed>
  const signature = signer.sign(statementDigestOf(state)(kind, statement))
  const receipt = await ledger.submit({ kind, statement, signature } as Command, {
    ...(signal !== undefined && { signal })
  })
  if (receipt.ok) return
  const { code, message } = receipt.refusal
  throw new CoreError('LEDGER_REFUSED', `the ledger refused: ${message} (${code})`, { code })
}
