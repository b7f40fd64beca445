/**
 * What a verifier has seen of a provider by itself: one sample each. Kept for its reports, evidence for nobody else; what
 * anybody can check stands on the ledger and in transcripts.
 */
import { z } from 'zod'
import { addressSchema, naturalSchema } from '../schema.ts'

const REASON_LENGTH_MAX = 256

/** Foreign text, cut; escape it before a terminal sees it. */
const reasonSchema = z.string().max(REASON_LENGTH_MAX)
const msSchema = z.number().min(0)

const common = {
  provider: addressSchema,
  dealId: naturalSchema,
  /** The ledger's newest round, or the round that was proved. */
  round: naturalSchema,
  /** When it was over, milliseconds of Unix time by this verifier's clock. */
  timeMs: naturalSchema
}

const looked = {
  /** Bytes that came and were checked. */
  bytes: naturalSchema,
  /** Why it did not go well. */
  reason: reasonSchema.optional()
}

export const observationSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('proof'),
    ...common,
    outcome: z.enum(['pass', 'bad proof', 'no answer']),
    /** From when this verifier knew the round's challenges to the proof's arrival. */
    answerMs: msSchema.optional()
  }),
  z.strictObject({
    kind: z.literal('read'),
    ...common,
    ...looked,
    outcome: z.enum(['read', 'failed']),
    /** From the first request to the first byte of its answer; a new connection is part of it, as it is for any reader. */
    firstByteMs: msSchema.optional(),
    /** How long bytes were waited for, without what lies between the requests. */
    transferMs: msSchema.optional()
  }),
  z.strictObject({
    kind: z.literal('binding'),
    ...common,
    ...looked,
    outcome: z.enum(['bound', 'not bound', 'no answer'])
  })
])

/**
 * A `proof` is this verifier's own check of a round. A `read` is what an ordinary reader of a public object saw. A `binding`
 * says whether a block of a public object stands in the pieces that its deal pays for.
 */
export type Observation = z.output<typeof observationSchema>
export type ObservationKind = Observation['kind']
export type ObservationOf<Kind extends ObservationKind> = Observation & { readonly kind: Kind }

/** Foreign text as an observation keeps it: never nothing, because it is shown to people. */
export function cutReason(reason: string): string {
  return reason === '' ? 'no reason was given' : reason.slice(0, REASON_LENGTH_MAX)
}
