/** What is known of providers, and how an object was last verified: from the ledger, and from what this verifier saw itself. */
import {
  addressSchema,
  naturalSchema,
  parseObjectName,
  REPORT_CONFIDENCE,
  reportProviders,
  verifiedObject
} from '@holdfast/core'
import { z } from 'zod'
import { defineRoute, type Route } from '../route.ts'
import type { DaemonFacts } from './daemon-facts.ts'

/** Longer than any reference; a secret, so it travels in a body and not in a path that somebody may log. */
const NAME_LENGTH_MAX = 1024

const shareSchema = z.object({ good: naturalSchema, trials: naturalSchema, lowerBound: z.number() })
const percentilesSchema = z.object({ p50: z.number(), p90: z.number(), p99: z.number(), count: naturalSchema })

export const providerReportSchema = z.object({
  provider: addressSchema,
  operator: addressSchema.optional(),
  region: z.string(),
  deals: naturalSchema,
  rounds: z.object({ proved: naturalSchema, faulted: naturalSchema, void: naturalSchema }),
  proving: shareSchema,
  storing: shareSchema,
  retrieval: shareSchema,
  checks: z.object({ pass: naturalSchema, badProof: naturalSchema, noAnswer: naturalSchema }),
  binding: z.object({
    bound: naturalSchema,
    notBound: naturalSchema,
    noAnswer: naturalSchema,
    unboundDeals: z.array(naturalSchema)
  }),
  firstByteMs: percentilesSchema.optional(),
  proofMs: percentilesSchema.optional(),
  megabytesPerSecond: z.object({ p50: z.number(), p10: z.number(), count: naturalSchema }).optional(),
  lastTrouble: z
    .object({
      kind: z.enum(['proof', 'read', 'binding']),
      outcome: z.string(),
      dealId: naturalSchema,
      round: naturalSchema,
      timeMs: naturalSchema,
      reason: z.string()
    })
    .optional()
})

const reportsSchema = z.object({
  /** Of every lower bound. */
  confidence: z.number(),
  round: naturalSchema,
  /** Whether this peer looks at providers itself; without, only the ledger speaks. */
  looks: z.boolean(),
  reports: z.array(providerReportSchema)
})

export const reportsShape = {
  method: 'GET',
  path: '/v1/reports',
  summary:
    'Of each provider, or of one: lower confidence bounds for proving, storing and retrieval with their sample sizes, latencies, binding checks.',
  input: z.object({ provider: addressSchema.optional() }),
  answer: reportsSchema
} as const

const momentSchema = { round: naturalSchema, timeMs: naturalSchema }

export const verifiedSchema = z.object({
  root: z.string(),
  isPrivate: z.boolean(),
  areReplicasDistinct: z.boolean(),
  isVerified: z.boolean(),
  round: naturalSchema,
  nextRoundMs: naturalSchema,
  replicas: z.array(
    z.object({
      replica: naturalSchema,
      dealId: naturalSchema,
      provider: addressSchema,
      operator: addressSchema,
      dealStatus: z.enum(['active', 'ending', 'ended', 'failed']),
      pieces: naturalSchema,
      piecesVerified: naturalSchema,
      isVerified: z.boolean(),
      why: z.string().optional(),
      lastVerified: z
        .object({
          ...momentSchema,
          opening: naturalSchema.optional(),
          how: z.discriminatedUnion('kind', [
            z.object({ kind: z.literal('attested'), verifiers: z.array(addressSchema) }),
            z.object({ kind: z.literal('self-proof'), drawn: z.boolean() })
          ])
        })
        .optional(),
      lastClosed: z
        .object({
          ...momentSchema,
          outcome: z.discriminatedUnion('kind', [
            z.object({ kind: z.literal('proved'), by: z.enum(['quorum', 'self-proof']) }),
            z.object({
              kind: z.literal('fault'),
              reason: z.enum(['no answer', 'bad proof', 'not opened', 'no quorum'])
            }),
            z.object({ kind: z.literal('void') })
          ])
        })
        .optional(),
      lastCleared: z.object({ ...momentSchema, leaves: naturalSchema }).optional()
    })
  )
})

/** An object as its verification is shown and sent: what `verifiedObject` says, with the root as text. */
export type VerifiedView = z.output<typeof verifiedSchema>

export const verifiedShape = {
  method: 'POST',
  path: '/v1/verified',
  summary:
    'When each replica of an object was last verified, by whom and how, by the ledger’s log. The reference of a private object is not kept.',
  input: z.strictObject({ name: z.string().max(NAME_LENGTH_MAX) }),
  answer: verifiedSchema
} as const

export function reportRoutes(facts: DaemonFacts): Route[] {
  const { ledger, verifier } = facts
  return [
    defineRoute({
      ...reportsShape,
      handle: ({ provider }) => ({
        confidence: REPORT_CONFIDENCE,
        round: ledger.state.round,
        looks: verifier !== undefined,
        reports: reportProviders(ledger.state, verifier?.observations, provider).map(report => ({
          ...report,
          binding: { ...report.binding, unboundDeals: [...report.binding.unboundDeals] }
        }))
      })
    }),
    defineRoute({
      ...verifiedShape,
      handle: async ({ name }, signal) => {
        const { name: object } = parseObjectName(name)
        const history = await facts.verifications(signal)
        return viewVerified(verifiedObject(ledger.state, history, object, facts.nowMs()))
      }
    })
  ]
}

/** What was found, as it is sent and shown. */
export function viewVerified({ root, replicas, ...rest }: ReturnType<typeof verifiedObject>): VerifiedView {
  return {
    ...rest,
    root: root.toString(),
    replicas: replicas.map(({ lastVerified, ...replica }) => ({
      ...replica,
      lastVerified: lastVerified && {
        ...lastVerified,
        how:
          lastVerified.how.kind === 'attested'
            ? { kind: 'attested', verifiers: [...lastVerified.how.verifiers] }
            : lastVerified.how
      }
    }))
  }
}
