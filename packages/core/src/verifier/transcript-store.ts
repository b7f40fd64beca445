/**
 * Where a verifier keeps what it attested by, for as long as it can be asked about it.
 *
 * An attestation without its transcripts cannot be answered for, and costs stake. So a round is sealed, which is durable,
 * before its attestation is submitted; and after a crash the sealed attestation is submitted again, never another one.
 */
import type { ShownTranscript } from '../evidence/judge-transcript.ts'
import { merklePath } from '../evidence/merkle-path.ts'
import { digestOfTranscript, type Transcript } from '../evidence/transcript.ts'
import type { CommandOf, PieceProof } from '../ledger/commands.ts'

/** What a deal was found to be, and the proofs that show it. */
export interface KeptTranscript {
  readonly transcript: Transcript
  readonly proofs: readonly PieceProof[]
}

/** Of one verifier. Calls may overlap; each takes effect after those before it. */
export interface TranscriptStore {
  /** Keeps what a provider pushed. A crash before its round is sealed may lose it. The first of a deal and round stays. */
  put(kept: KeptTranscript): Promise<void>
  /**
   * Resolves when the attestation and its transcripts survive a power cut.
   *
   * @param transcripts - all that the attestation commits to, in its order; those with a push have been put before
   * @throws when one of them is missing; the round is not sealed then
   */
  seal(attestation: CommandOf<'Attestation'>, transcripts: readonly Transcript[]): Promise<void>
  /** The attestation of a round that was sealed; undefined for any other round. */
  sealed(round: number): Promise<CommandOf<'Attestation'> | undefined>
  /** A transcript of a sealed round with the path to its attestation's root; undefined when there is none. */
  get(round: number, dealId: number): Promise<ShownTranscript | undefined>
  /** Forgets all rounds before this one. */
  prune(beforeRound: number): Promise<void>
}

/** For tests and the simulator: nothing is durable. */
export function createMemoryTranscriptStore(): TranscriptStore {
  const put = new Map<number, Map<number, KeptTranscript>>()
  const sealed = new Map<number, { attestation: CommandOf<'Attestation'>; transcripts: readonly Transcript[] }>()
  return {
    async put(kept) {
      const { round, dealId } = kept.transcript
      const deals = put.get(round) ?? new Map<number, KeptTranscript>()
      put.set(round, deals)
      if (!deals.has(dealId)) deals.set(dealId, kept)
    },
    async seal(attestation, transcripts) {
      const { round } = attestation.statement
      const missing = transcripts.find(({ push, dealId }) => push !== null && put.get(round)?.has(dealId) !== true)
      if (missing !== undefined) throw new RangeError(`the proofs of deal ${missing.dealId} were not put before`)
      sealed.set(round, { attestation, transcripts })
    },
    async sealed(round) {
      return sealed.get(round)?.attestation
    },
    async get(round, dealId) {
      const transcripts = sealed.get(round)?.transcripts ?? []
      const index = transcripts.findIndex(transcript => transcript.dealId === dealId)
      const transcript = transcripts[index]
      if (transcript === undefined) return undefined
      const path = merklePath(transcripts.map(digestOfTranscript), index)
      return { transcript, path, proofs: put.get(round)?.get(dealId)?.proofs }
    },
    async prune(beforeRound) {
      for (const rounds of [put, sealed])
        for (const round of rounds.keys()) if (round < beforeRound) rounds.delete(round)
    }
  }
}
