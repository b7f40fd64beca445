/** Shapes that the answers of several routes have in common. */
import { addressSchema, amountSchema, naturalSchema } from '@holdfast/core'
import { z } from 'zod'

/** Decimal strings of attoFIL, also below zero. */
export const signedAmountSchema = z.codec(z.string().regex(/^-?(0|[1-9][0-9]*)$/), z.bigint(), {
  decode: text => BigInt(text),
  encode: amount => amount.toString()
})

export const dealSchema = z.object({
  id: naturalSchema,
  status: z.enum(['active', 'ending', 'ended', 'failed']),
  client: addressSchema,
  provider: addressSchema,
  pieces: naturalSchema,
  rawSize: naturalSchema,
  pricePerRound: amountSchema,
  escrow: amountSchema,
  fundedRounds: naturalSchema.optional(),
  collateral: amountSchema,
  docketLeaves: naturalSchema,
  rounds: z.object({ proved: naturalSchema, faulted: naturalSchema, void: naturalSchema }),
  endsAfterRound: naturalSchema.optional()
})

export const bytesSchema = z.object({
  capacity: z.number(),
  free: z.number(),
  reserved: z.number(),
  paid: z.number(),
  leased: z.number(),
  unpaid: z.number(),
  layers: z.number(),
  incoming: z.number(),
  damaged: z.number(),
  other: z.number(),
  disk: z.number()
})

/** How many of something are shown. */
export function lastSchema(usual: number) {
  return z.coerce.number().int().min(0).max(10_000).default(usual)
}

export const auditSchema = z.object({
  passStartedMs: naturalSchema.optional(),
  passes: naturalSchema,
  readBytes: naturalSchema,
  totalBytes: naturalSchema,
  challenges: naturalSchema,
  healed: naturalSchema,
  damaged: z.array(
    z.object({ piece: z.string(), how: z.string(), foundMs: naturalSchema, obstacle: z.string().optional() })
  )
})
