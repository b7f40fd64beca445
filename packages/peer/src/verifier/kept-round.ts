/**
 * One round as its verifier kept it, deal by deal: proved, refuted under the provider's signature, or no answer, with whom
 * was asked in vain. The three are different facts and stay so.
 */
import {
  type Address,
  assignmentOf,
  type DialLog,
  type DialRecord,
  dealsAssignedTo,
  decodeVerdicts,
  type LedgerState,
  type TranscriptStore,
  type Verdict
} from '@holdfast/core'
import { systemCodeOf } from '../error.ts'

/** Bad proofs that are read from the disk for one answer; of more, only the verdict is said. */
const REFUTED_MAX = 100

export interface KeptDeal {
  readonly dealId: number
  readonly provider: Address
  /** As it was attested. */
  readonly verdict: Verdict
  /** What was wrong with a bad proof. */
  readonly reason?: string
  /** The provider's own, over the bad proof, in hex: anybody can check it with the transcript. */
  readonly signature?: string
  /** When it was asked, at which addresses, and what came back. */
  readonly dials: readonly DialRecord[]
}

export interface KeptRoundSources {
  readonly transcripts: Pick<TranscriptStore, 'sealed' | 'get'>
  readonly dials: Pick<DialLog, 'read'>
}

/** @returns undefined for a round in which this verifier attested nothing, or that the ledger does not remember any more */
export async function readKeptRound(
  state: LedgerState,
  verifier: Address,
  { transcripts, dials }: KeptRoundSources,
  round: number
): Promise<KeptDeal[] | undefined> {
  const known = state.open?.round === round ? state.open : state.closed.get(round)
  const attestation = await transcripts.sealed(round)
  if (known === undefined || attestation === undefined) return undefined
  const dealIds = dealsAssignedTo(assignmentOf(state, known), verifier)
  const verdicts = decodeVerdicts(attestation.statement.verdicts, dealIds.length) ?? []
  const asked = await dials.read(round)
  let refuted = 0
  const deals: KeptDeal[] = []
  for (const [index, verdict] of verdicts.entries()) {
    const dealId = dealIds[index]!
    if (verdict === 'bad proof') refuted += 1
    deals.push({
      dealId,
      provider: state.deals.get(dealId)!.provider,
      verdict,
      ...(verdict === 'bad proof' && refuted <= REFUTED_MAX && (await refutationOf(transcripts, round, dealId))),
      dials: asked.filter(({ dealIds: ofDial }) => ofDial.includes(dealId))
    })
  }
  return deals
}

async function refutationOf(transcripts: Pick<TranscriptStore, 'get'>, round: number, dealId: number) {
  try {
    const shown = await transcripts.get(round, dealId)
    const push = shown?.transcript.push
    if (shown === undefined || push === undefined || push === null) return undefined
    return { reason: shown.transcript.reason, signature: Buffer.from(push.signature).toString('hex') }
  } catch (error) {
    if (systemCodeOf(error) !== 'TRANSCRIPT_DAMAGED') throw error
    return { reason: 'what was kept of it is damaged on disk' }
  }
}
