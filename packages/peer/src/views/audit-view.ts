/** What a donor asks about the audit of its own disk, as plain data. */
import type { AuditHandle } from '../roles/audit-role.ts'

export interface DamagedPiece {
  /** PieceCIDv2 as text. */
  readonly piece: string
  /** What is wrong, for people. */
  readonly how: string
  readonly foundMs: number
  /** Why it could not be made good; absent while that is tried for the first time. */
  readonly obstacle?: string
}

export interface AuditView {
  /** When the reading of everything began that is under way; absent before the first. */
  readonly passStartedMs?: number
  /** Readings of everything that came to their end. */
  readonly passes: number
  readonly readBytes: number
  readonly totalBytes: number
  /** Times that a deal was asked for leaves, since the start. */
  readonly challenges: number
  /** Pieces that were fetched again from another provider, since the start. */
  readonly healed: number
  readonly damaged: readonly DamagedPiece[]
}

export function viewAudit(audit: Pick<AuditHandle, 'progress' | 'wounds' | 'healed'>): AuditView {
  const { passStartedMs, ...progress } = audit.progress()
  return {
    ...(passStartedMs !== undefined && { passStartedMs }),
    ...progress,
    healed: audit.healed,
    damaged: audit.wounds().map(({ piece, how, foundMs, obstacle }) => ({
      piece,
      how,
      foundMs,
      ...(obstacle !== undefined && { obstacle })
    }))
  }
}

/** One line for each damaged piece: what is wrong, and what becomes of it. */
export function describeDamage({ damaged }: Pick<AuditView, 'damaged'>): string[] {
  return damaged.map(({ piece, how, obstacle }) => {
    const next = obstacle ?? 'it is being fetched from another provider'
    return `piece ${piece} is not whole (${how}): ${next}`
  })
}
