/**
 * When a verifier tried whom at which addresses, and what came back: what stands behind its *no answer*.
 *
 * A verifier's own word and nothing more: nobody can show what did not come, so the ledger takes no dial log. It tells the
 * operator, and a provider that asks, whether there was a firewall, a refusal or a stalled stream.
 */
import { z } from 'zod'
import { DEALS_PER_PUSH_MAX } from '../protocols/definitions.ts'
import type { Answer } from '../protocols/protocol.ts'
import { ADDRESSES_PER_PEER_MAX, addressSchema, naturalSchema } from '../schema.ts'

/** Of what somebody else says about itself. */
const WORDS_LENGTH_MAX = 256
const CODE_LENGTH_MAX = 64

const wordsSchema = z.string().max(WORDS_LENGTH_MAX)
const codeSchema = z.string().max(CODE_LENGTH_MAX)

export const dialRecordSchema = z.strictObject({
  round: naturalSchema,
  provider: addressSchema,
  /** What it was asked for. */
  dealIds: z.array(naturalSchema).max(DEALS_PER_PUSH_MAX),
  /** As its ask on the ledger had them. */
  addresses: z.array(wordsSchema).max(ADDRESSES_PER_PEER_MAX),
  /** By this verifier's clock, milliseconds of Unix time. */
  fromMs: naturalSchema,
  untilMs: naturalSchema,
  outcome: z.discriminatedUnion('kind', [
    /** With proofs of so many of the deals. */
    z.strictObject({ kind: z.literal('answered'), proofs: naturalSchema }),
    z.strictObject({ kind: z.literal('refused'), code: codeSchema, message: wordsSchema }),
    /** `LATE` when this verifier could wait no longer, `FAILED` when there is nothing to dial, else as the wire has it. */
    z.strictObject({ kind: z.literal('no answer'), code: codeSchema, reason: wordsSchema })
  ])
})
export type DialRecord = z.output<typeof dialRecordSchema>
export type DialOutcome = DialRecord['outcome']

/** Of one verifier. Calls may overlap. */
export interface DialLog {
  /** Resolves when it survives a power cut. What passes the log's bounds is left out. */
  add(records: readonly DialRecord[]): Promise<void>
  /** What was tried in a round, in the order in which it ended; of one deal when its number is given. */
  read(round: number, dealId?: number): Promise<readonly DialRecord[]>
  /** Forgets all rounds before this one. */
  prune(beforeRound: number): Promise<void>
}

export function outcomeOfAnswer(answer: Answer<{ readonly items: readonly unknown[] }>): DialOutcome {
  if (answer.kind === 'answer') return { kind: 'answered', proofs: answer.value.items.length }
  if (answer.kind === 'refused')
    return { kind: 'refused', code: cut(answer.code, CODE_LENGTH_MAX), message: cut(answer.message, WORDS_LENGTH_MAX) }
  return silence(answer.code, answer.reason)
}

export function silence(code: string, reason: string): DialOutcome {
  return { kind: 'no answer', code: cut(code, CODE_LENGTH_MAX), reason: cut(reason, WORDS_LENGTH_MAX) }
}

function cut(text: string, length: number): string {
  return text.slice(0, length)
}

/** For tests and the simulator: nothing is durable. */
export function createMemoryDialLog(): DialLog {
  let kept: readonly DialRecord[] = []
  return {
    async add(records) {
      kept = [...kept, ...records]
    },
    async read(round, dealId) {
      return kept.filter(one => one.round === round && (dealId === undefined || one.dealIds.includes(dealId)))
    },
    async prune(beforeRound) {
      kept = kept.filter(({ round }) => round >= beforeRound)
    }
  }
}
