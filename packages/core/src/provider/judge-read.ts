/** Who may read a piece at its provider: a pure decision over the ledger and what the reader brings. */

import {
  type BearerPermission,
  checkReadPermission,
  type PermissionTools,
  type ReadPermission
} from '../pieces/read-permission.ts'
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
  /** The account of the peer that asks; undefined for one whose key can have none, and for who does not show himself. */
  readonly reader: Address | undefined
  /** Without a reader it opens the piece to whoever brings it: see {@link BearerPermission}. */
  readonly permission: ReadPermission | BearerPermission | null
  /** The ledger's round. */
  readonly round: number
  readonly statementRoundsMax: number
}

/** A public piece is anybody's; a private one its clients' and that of whoever has a permission for one of its labels. */
export function mayRead(
  { isPublic, holdings, provider, reader, permission, round, statementRoundsMax }: ReadRequest,
  tools: PermissionTools
): boolean {
  if (isPublic) return true
  if (reader !== undefined && holdings.some(({ client }) => client === reader)) return true
  const brought = broughtBy(reader, permission)
  if (brought === undefined) return false
  return holdings.some(
    ({ label }) =>
      label !== undefined && checkReadPermission({ ...brought, label, provider, round, statementRoundsMax }, tools).ok
  )
}

function broughtBy(
  reader: Address | undefined,
  permission: ReadPermission | BearerPermission | null
): BearerPermission | undefined {
  if (permission === null) return undefined
  if ('reader' in permission) return permission
  return reader === undefined ? undefined : { permission, reader }
}
