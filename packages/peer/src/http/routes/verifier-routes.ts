/** What the operator of a verifier asks: what it did and earned, and whom it asked in vain. */
import { addressSchema, amountSchema, dialRecordSchema, naturalSchema, VERDICTS } from '@holdfast/core'
import { z } from 'zod'
import { PeerError } from '../../error.ts'
import { readKeptRound } from '../../verifier/kept-round.ts'
import { viewVerifier } from '../../views/verifier-views.ts'
import { defineRoute, type Route } from '../route.ts'
import type { DaemonFacts, VerifierFacts } from './daemon-facts.ts'
import { lastSchema } from './schemas.ts'

const ROUNDS_USUAL = 24

export const expectedSchema = z.object({
  places: naturalSchema,
  placesOfAll: naturalSchema,
  operators: naturalSchema,
  verifiersPerDeal: naturalSchema,
  deals: naturalSchema,
  dealsAssigned: z.number(),
  perRound: amountSchema,
  perDeal: amountSchema,
  cost: z.object({ leaves: naturalSchema, proofBytes: naturalSchema, nodeHashes: naturalSchema }),
  risk: z.object({ silence: amountSchema, refutation: amountSchema, openingsToRelease: naturalSchema })
})

const verifierSchema = z.object({
  address: addressSchema,
  network: z.string(),
  stake: amountSchema,
  places: naturalSchema,
  leaving: z.array(z.object({ amount: amountSchema, releaseOpening: naturalSchema, releaseMs: naturalSchema })),
  round: naturalSchema,
  roundMs: naturalSchema,
  nextRoundMs: naturalSchema,
  expected: expectedSchema,
  fees: amountSchema,
  rounds: z.array(
    z.object({
      round: naturalSchema,
      assigned: naturalSchema,
      passed: naturalSchema,
      bad: naturalSchema,
      noAnswer: naturalSchema,
      dialled: naturalSchema,
      attestedMs: naturalSchema.optional(),
      refusal: z.string().optional(),
      isClosed: z.boolean(),
      fees: amountSchema,
      penalty: amountSchema
    })
  )
})

export const verifierShape = {
  method: 'GET',
  path: '/v1/verifier',
  summary: 'The stake of this verifier, what it can expect to earn, and what it did in its newest rounds.',
  input: z.object({ rounds: lastSchema(ROUNDS_USUAL) }),
  answer: verifierSchema
} as const

const roundSchema = z.object({
  round: naturalSchema,
  deals: z.array(
    z.object({
      dealId: naturalSchema,
      provider: addressSchema,
      verdict: z.enum(VERDICTS),
      reason: z.string().optional(),
      signature: z.string().optional(),
      dials: z.array(dialRecordSchema)
    })
  )
})

export const verifierRoundShape = {
  method: 'GET',
  path: '/v1/verifier/rounds/{round}',
  summary:
    'What this verifier attested of each deal in a round: proved, refuted with the provider’s signature, or no answer, and whom it asked when, where, and what came back.',
  input: z.object({ round: z.coerce.number().int().min(0) }),
  answer: roundSchema
} as const

export function verifierRoutes(facts: DaemonFacts): Route[] {
  const { ledger, address, credits } = facts

  function verifier(): VerifierFacts {
    if (facts.verifier !== undefined) return facts.verifier
    throw new PeerError(
      'NO_VERIFIER',
      'This peer is no verifier: add "verifier" to the roles in its config, and restart it.'
    )
  }

  return [
    defineRoute({
      ...verifierShape,
      handle: async ({ rounds: last }, signal) => {
        const { rounds } = verifier()
        const { sums } = await credits.summary(signal)
        const view = viewVerifier(ledger.state, address, { fees: sums.get('fee') ?? 0n, rounds: rounds.rounds(last) })
        return z.encode(verifierSchema, {
          ...view,
          leaving: [...view.leaving],
          rounds: [...view.rounds]
        })
      }
    }),
    defineRoute({
      ...verifierRoundShape,
      handle: async ({ round }) => {
        const deals = await readKeptRound(ledger.state, address, verifier(), round)
        if (deals !== undefined) return { round, deals: deals.map(deal => ({ ...deal, dials: [...deal.dials] })) }
        throw new PeerError(
          'NO_ROUND',
          `This verifier keeps nothing of round ${round}: it attested nothing there, or nobody can dispute it any more.`,
          { round }
        )
      }
    })
  ]
}
