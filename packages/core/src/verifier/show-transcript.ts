/** What a verifier answers to anyone who asks by what it attested a deal. */
import type { LedgerState } from '../ledger/state.ts'
import type { TranscriptAnswer } from '../protocols/definitions.ts'
import { type Reply, refuse } from '../protocols/protocol.ts'
import type { TranscriptStore } from './transcript-store.ts'

/** Not while its round is open: nobody may copy what the others have not said yet. */
export async function showTranscript(
  state: Pick<LedgerState, 'round' | 'open'>,
  transcripts: Pick<TranscriptStore, 'get'>,
  round: number,
  dealId: number
): Promise<Reply<TranscriptAnswer>> {
  const isOver = round < state.round || (round === state.round && state.open === undefined)
  const shown = isOver ? await transcripts.get(round, dealId) : undefined
  if (shown === undefined)
    return refuse('NO_TRANSCRIPT', `I keep nothing of deal ${dealId} in round ${round}`, { round, dealId })
  const { transcript, path, proofs } = shown
  return { ok: true, value: { transcript, path: [...path], proofs: proofs === undefined ? null : [...proofs] } }
}
