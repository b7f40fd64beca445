/** What a donor asks: its deals, its earnings, where its bytes went, what it refuses. */
import { addressSchema, amountSchema, naturalSchema } from '@holdfast/core'
import { z } from 'zod'
import { viewEarnings, viewOwnDeals } from '../../views/donor-views.ts'
import { defineRoute, type Route } from '../route.ts'
import type { DaemonFacts } from './daemon-facts.ts'
import { bytesSchema, dealSchema, lastSchema, signedAmountSchema } from './schemas.ts'

const ROUNDS_USUAL = 24

const dealsSchema = z.object({ deals: z.array(dealSchema) })

export const dealsShape = {
  method: 'GET',
  path: '/v1/deals',
  summary: 'The deals that this provider keeps.',
  input: z.object({}),
  answer: dealsSchema
} as const

const earningsSchema = z.object({
  account: addressSchema,
  free: amountSchema,
  sums: z.record(z.string(), signedAmountSchema),
  withheld: amountSchema,
  rounds: z.array(
    z.object({
      round: naturalSchema,
      timeMs: naturalSchema,
      paid: amountSchema,
      withheld: amountSchema,
      fees: amountSchema,
      unpaid: z.array(z.object({ reason: z.string(), deals: naturalSchema }))
    })
  ),
  deals: z.array(
    z.object({ dealId: naturalSchema, paid: amountSchema, withheld: amountSchema, roundsUnpaid: naturalSchema })
  ),
  tomorrow: z.object({ least: amountSchema, most: amountSchema, rounds: naturalSchema })
})

export const earningsShape = {
  method: 'GET',
  path: '/v1/earnings',
  summary:
    'What every credit of this peer was for, the newest rounds with the reason of each that was not paid, and what tomorrow can bring.',
  input: z.object({ rounds: lastSchema(ROUNDS_USUAL) }),
  answer: earningsSchema
} as const

const storeSchema = z.object({
  bytes: bytesSchema,
  pieces: z.array(
    z.object({
      piece: z.string(),
      bytes: naturalSchema,
      state: z.enum(['paid', 'unpaid']),
      dealId: z.string(),
      reason: z.string().optional(),
      untilMs: naturalSchema.optional()
    })
  )
})

export const storeShape = {
  method: 'GET',
  path: '/v1/store',
  summary: 'Every byte given to the network by what it is for; the sum is what the disk holds.',
  input: z.object({}),
  answer: storeSchema
} as const

const askSchema = z.object({
  pricePerLeafRound: amountSchema,
  capacityBytes: naturalSchema,
  region: z.string(),
  addresses: z.array(z.string()),
  inForce: z.boolean()
})

export const askShape = {
  method: 'GET',
  path: '/v1/ask',
  summary: 'What this provider offers on the ledger.',
  input: z.object({}),
  answer: askSchema
} as const

export const setAskShape = {
  method: 'PUT',
  path: '/v1/ask',
  summary: 'Changes what this provider offers: on the ledger from the next round on, and in its config.',
  input: z.strictObject({
    pricePerLeafRound: amountSchema.optional(),
    region: z.string().max(32).optional()
  }),
  answer: askSchema
} as const

const denySchema = z.object({ denied: z.array(z.string()) })

export const denyShape = {
  method: 'GET',
  path: '/v1/deny',
  summary: 'Content that this peer refuses.',
  input: z.object({}),
  answer: denySchema
} as const

export const addDenyShape = {
  method: 'POST',
  path: '/v1/deny',
  summary: 'Refuses content from now on: a root CID or a PieceCID.',
  input: z.strictObject({ cid: z.string().max(256) }),
  answer: denySchema
} as const

export const removeDenyShape = {
  method: 'DELETE',
  path: '/v1/deny/{cid}',
  summary: 'Takes content off the list.',
  input: z.object({ cid: z.string().max(256) }),
  answer: denySchema
} as const

export function donorRoutes(facts: DaemonFacts): Route[] {
  const { ledger, address } = facts
  return [
    defineRoute({
      ...dealsShape,
      handle: () => z.encode(dealsSchema, { deals: viewOwnDeals(ledger.state, address) })
    }),
    defineRoute({
      ...earningsShape,
      handle: async ({ rounds }, signal) => {
        const summary = await facts.credits.summary(signal)
        const view = viewEarnings(ledger.state, address, summary, rounds)
        return z.encode(earningsSchema, {
          ...view,
          rounds: view.rounds.map(round => ({ ...round, unpaid: [...round.unpaid] })),
          deals: [...view.deals]
        })
      }
    }),
    defineRoute({
      ...storeShape,
      handle: async () => {
        const { bytes, explained } = await facts.bytes()
        return { bytes, pieces: explained.pieces.map(piece => ({ ...piece })) }
      }
    }),
    defineRoute({ ...askShape, handle: () => z.encode(askSchema, facts.ask()) }),
    defineRoute({
      ...setAskShape,
      handle: async (wishes, signal) => z.encode(askSchema, await facts.setAsk(wishes, signal))
    }),
    defineRoute({ ...denyShape, handle: async () => ({ denied: await facts.denied() }) }),
    defineRoute({ ...addDenyShape, handle: async ({ cid }) => ({ denied: await facts.deny(cid) }) }),
    defineRoute({ ...removeDenyShape, handle: async ({ cid }) => ({ denied: await facts.allow(cid) }) })
  ]
}
