/** What a peer is and how it does: its status, its examination, the newest entries of its ledger. */
import { addressSchema, amountSchema, naturalSchema } from '@holdfast/core'
import { z } from 'zod'
import { CHECKS } from '../../doctor/finding.ts'
import { defineRoute, type Route } from '../route.ts'
import type { DaemonFacts } from './daemon-facts.ts'
import { auditSchema, bytesSchema } from './schemas.ts'

const peerSchema = z.object({
  address: addressSchema,
  network: z.string(),
  roles: z.array(z.string()),
  listening: z.array(z.string()),
  startedMs: naturalSchema,
  round: naturalSchema,
  nextRoundMs: naturalSchema,
  free: amountSchema,
  collateral: amountSchema,
  stake: amountSchema,
  deals: z.object({ running: naturalSchema, owing: naturalSchema, bytes: naturalSchema }),
  bytes: bytesSchema.optional(),
  audit: auditSchema.optional(),
  problems: z.array(z.string())
})

export const statusShape = {
  method: 'GET',
  path: '/v1/status',
  summary: 'What this peer is and how it does.',
  input: z.object({}),
  answer: peerSchema
} as const

export const doctorShape = {
  method: 'GET',
  path: '/v1/doctor',
  summary: 'What is wrong with key, config, disk, ports, clock, ledger and reach, and what to do.',
  input: z.object({}),
  answer: z.object({
    findings: z.array(
      z.object({
        check: z.enum(CHECKS),
        status: z.enum(['ok', 'warning', 'problem', 'skipped']),
        message: z.string(),
        advice: z.string().optional()
      })
    )
  })
} as const

export function statusRoutes(facts: DaemonFacts): Route[] {
  return [
    defineRoute({
      ...statusShape,
      handle: async () => z.encode(peerSchema, { ...(await facts.peer()) } as z.output<typeof peerSchema>)
    }),
    defineRoute({
      ...doctorShape,
      handle: async (_, signal) => ({ findings: [...(await facts.examine(signal))] })
    })
  ]
}
