/** Who may read a piece at its provider: a pure decision over the ledger and what the reader brings. */

import type { SignatureVerifier } from '../identity.ts'
import type { StatementDigest } from '../ledger/statements.ts'
import { checkReadPermission, type ReadPermission } from '../pieces/read-permission.ts'
import type { Address } from '../schema.ts'

/** One deal under which the provider holds the piece. */
export interface Holding {
  readonly client: Address
  /** The piece's label in that deal; undefined while no order names it. */
  readonly label: Uint8Array | undefined
}

export interface ReadRequest {
  /** Whether the provider holds the piece under a public label. */
  readonly isPublic: boolean
  readonly holdings: readonly Holding[]
  readonly provider: Address
  /** The account of the peer that asks; undefined for one whose key can have none. */
  readonly reader: Address | undefined
  readonly permission: ReadPermission | null
  /** The ledger's round. */
  readonly round: number
  readonly statementRoundsMax: number
}

/** A public piece is anybody's; a private one its clients' and that of whoever has a permission for one of its labels. */
export function mayRead(
  { isPublic, holdings, provider, reader, permission, round, statementRoundsMax }: ReadRequest,
  tools: { readonly digestOf: StatementDigest; readonly verifier: SignatureVerifier }
): boolean {
  if (isPublic) return true
  if (reader === undefined) return false
  if (holdings.some(({ client }) => client === reader)) return true
  if (permission === null) return false
  return holdings.some(
    ({ label }) =>
      label !== undefined &&
      checkReadPermission({ permission, label, provider, reader, round, statementRoundsMax }, tools).ok
  )
}
