/**
 * Checks the deals that the beacon assigns to this verifier, round after round, and attests what it saw.
 *
 * Providers push their proofs; those who did not come are asked. Three things are kept apart to the end: a pass, a bad
 * proof (with the provider's signature on it), and no answer. One attestation a round, as soon as every deal has
 * answered, and at the latest before the self-proofs begin.
 */
import type { NodeHasher } from '@holdfast/proofs'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Clock } from '../clock.ts'
import { faultOfProofs } from '../evidence/judge-transcript.ts'
import { merkleRoot } from '../evidence/merkle-root.ts'
import { digestOfTranscript, type Transcript } from '../evidence/transcript.ts'
import type { SignatureVerifier, Signer } from '../identity.ts'
import { statementDigestOf } from '../ledger/apply.ts'
import { digestOfProofs } from '../ledger/commands.ts'
import type { Ledger, Receipt } from '../ledger/ledger.ts'
import { assignmentOf, openChallengesOf } from '../ledger/proof-rules.ts'
import type { OpenRound } from '../ledger/state.ts'
import { submitUntilAnswered } from '../ledger/submit-until-answered.ts'
import type { PushedProof } from '../protocols/definitions.ts'
import { batchDeals } from '../protocols/proof-batches.ts'
import type { Answer } from '../protocols/protocol.ts'
import { dealsAssignedTo } from '../rounds/assignment.ts'
import { awaitRound, followRounds } from '../rounds/follow-rounds.ts'
import { attestFromMs, selfProveFromMs } from '../rounds/schedule.ts'
import { encodeVerdicts } from '../rounds/verdicts.ts'
import type { Address } from '../schema.ts'

/** How far this verifier's ledger may lag behind a provider's: the news of a round reaches them over different ways. */
const ROUND_LAG_MS_MAX = 1_000

/** What a pushed proof was found to be. `not asked`: this verifier did not want it, and it counts for nothing. */
export interface CheckedProof {
  readonly dealId: number
  readonly verdict: 'pass' | 'bad proof' | 'not asked'
  readonly reason: string
}

export type VerifierEvent =
  | { readonly kind: 'checked'; readonly round: number; readonly checked: CheckedProof }
  | {
      readonly kind: 'attested'
      readonly round: number
      readonly transcripts: readonly Transcript[]
      readonly receipt: Receipt
    }

export interface VerifierOptions {
  readonly ledger: Ledger
  readonly signer: Signer
  readonly signatures: SignatureVerifier
  readonly nodeHasher: NodeHasher
  readonly clock: Clock
  readonly random: (sizeBytes: number) => Uint8Array
  /** Asks a provider at its addresses on the ledger. */
  readonly ask: (
    addresses: readonly string[],
    message: { round: number; dealIds: number[] },
    signal: AbortSignal
  ) => Promise<Answer<{ items: PushedProof[] }>>
  readonly onEvent?: (event: VerifierEvent) => void
  readonly onError?: (error: unknown) => void
}

export interface Verifier extends AsyncDisposable {
  start(): void
  stop(): Promise<void>
  /** Checks what a provider pushed for a round. The first proof of a deal that is signed counts, later ones do not. */
  receive(round: number, items: readonly PushedProof[]): Promise<CheckedProof[]>
}

export function createVerifier(options: VerifierOptions): Verifier {
  const {
    ledger,
    signer,
    signatures,
    nodeHasher,
    clock,
    onEvent = () => undefined,
    onError = () => undefined
  } = options
  const { state } = ledger
  let transcripts = new Map<number, Transcript>()
  let transcriptsOf: OpenRound | undefined
  let answered: (() => void) | undefined

  function assignedDeals(open: OpenRound): number[] {
    return dealsAssignedTo(assignmentOf(state, open), signer.address)
  }

  function transcriptsIn(open: OpenRound): Map<number, Transcript> {
    if (transcriptsOf !== open) {
      transcriptsOf = open
      transcripts = new Map()
    }
    return transcripts
  }

  function check(open: OpenRound, round: number, item: PushedProof): CheckedProof {
    const { dealId, proofs, signature } = item
    const notAsked = (reason: string): CheckedProof => ({ dealId, verdict: 'not asked', reason })
    const deal = state.deals.get(dealId)
    const challenges = deal === undefined ? undefined : openChallengesOf(open, deal)
    if (deal === undefined || challenges === undefined) return notAsked('this round does not challenge the deal')
    if (!assignedDeals(open).includes(dealId)) return notAsked('the deal is not assigned to this verifier')
    if (state.open !== open || open.verdicts.has(signer.address)) return notAsked('this verifier has attested already')
    const known = transcriptsIn(open).get(dealId)
    if (known !== undefined)
      return { dealId, verdict: known.verdict === 'pass' ? 'pass' : 'bad proof', reason: known.reason }
    const digest = digestOfProofs(proofs)
    const statement = { provider: deal.provider, verifier: signer.address, dealId, round, proofs: digest }
    if (signatures.recover(statementDigestOf(state)('ProofPush', statement), signature) !== deal.provider)
      return notAsked('the provider did not sign this')
    const bad = faultOfProofs({ challenges, pieces: deal.pieces }, proofs, nodeHasher)
    const verdict = bad === undefined ? 'pass' : 'bad proof'
    transcriptsIn(open).set(dealId, {
      version: 1,
      round,
      dealId,
      verifier: signer.address,
      verdict,
      reason: bad ?? '',
      push: { proofs: digest, signature }
    })
    return { dealId, verdict, reason: bad ?? '' }
  }

  async function receive(round: number, items: readonly PushedProof[]): Promise<CheckedProof[]> {
    if (round === state.round + 1) await awaitRound(ledger, clock, round, ROUND_LAG_MS_MAX)
    const { open } = state
    if (open === undefined || round !== state.round)
      return items.map(({ dealId }) => ({ dealId, verdict: 'not asked', reason: `round ${round} is not open here` }))
    const checked = items.map(item => check(open, round, item))
    for (const one of checked) onEvent({ kind: 'checked', round, checked: one })
    if (unanswered(open).length === 0) answered?.()
    return checked
  }

  function unanswered(open: OpenRound): number[] {
    const known = transcriptsIn(open)
    return assignedDeals(open).filter(dealId => !known.has(dealId))
  }

  /** Resolves when every assigned deal has answered, and at the latest at the given time. */
  async function awaitAnswers(open: OpenRound, untilMs: number, signal: AbortSignal): Promise<void> {
    if (unanswered(open).length === 0) return
    const all = new AbortController()
    const cut = () => all.abort()
    answered = cut
    signal.addEventListener('abort', cut, { once: true })
    try {
      await clock.sleep(untilMs - clock.now(), all.signal).catch(() => undefined)
    } finally {
      if (answered === cut) answered = undefined
      signal.removeEventListener('abort', cut)
    }
    signal.throwIfAborted()
  }

  async function askMissing(open: OpenRound, round: number, signal: AbortSignal): Promise<void> {
    const deals = unanswered(open).map(dealId => state.deals.get(dealId)!)
    await Promise.all(
      [...Map.groupBy(deals, ({ provider }) => provider)].flatMap(([provider, owing]) =>
        batchDeals(owing).map(async batch => {
          await ask(open, provider, { round, dealIds: batch.map(({ id }) => id) }, signal)
        })
      )
    )
  }

  /** One provider's trouble, such as an address that cannot be dialled, is kept from the others. */
  async function ask(
    open: OpenRound,
    provider: Address,
    message: { round: number; dealIds: number[] },
    signal: AbortSignal
  ): Promise<void> {
    try {
      const answer = await options.ask(state.asks.get(provider)?.addresses ?? [], message, signal)
      if (answer.kind === 'answer' && state.open === open) await receive(message.round, answer.value.items)
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
  }

  async function attest(open: OpenRound, round: number, signal: AbortSignal): Promise<void> {
    const seen = assignedDeals(open).map(
      (dealId): Transcript =>
        transcriptsIn(open).get(dealId) ?? {
          version: 1,
          round,
          dealId,
          verifier: signer.address,
          verdict: 'no answer',
          reason: '',
          push: null
        }
    )
    const statement = {
      verifier: signer.address,
      id: bytesToHex(options.random(16)),
      validUntilRound: round,
      round,
      verdicts: encodeVerdicts(seen.map(({ verdict }) => verdict)),
      transcripts: merkleRoot(seen.map(digestOfTranscript))
    }
    const signature = signer.sign(statementDigestOf(state)('Attestation', statement))
    const command = { kind: 'Attestation', statement, signature } as const
    const receipt = await submitUntilAnswered(ledger, command, clock, signal)
    onEvent({ kind: 'attested', round, transcripts: seen, receipt })
  }

  async function serveRound(round: number, signal: AbortSignal): Promise<void> {
    const { open, parameters } = state
    if (open === undefined || assignedDeals(open).length === 0 || open.verdicts.has(signer.address)) return
    await awaitAnswers(open, attestFromMs(parameters, round), signal)
    if (unanswered(open).length > 0) {
      // Those who are asked get half of what is left before the self-proofs; the attestation must not miss its own time.
      const answerMs = Math.max(0, (selfProveFromMs(parameters, round) - clock.now()) / 2)
      const deadline = new AbortController()
      const cut = () => deadline.abort(signal.reason)
      signal.addEventListener('abort', cut, { once: true })
      const asking = askMissing(open, round, deadline.signal)
      await Promise.race([asking, clock.sleep(answerMs, deadline.signal)]).finally(() =>
        signal.removeEventListener('abort', cut)
      )
      deadline.abort()
      await asking
    }
    signal.throwIfAborted()
    await attest(open, round, signal)
  }

  const rounds = followRounds(ledger, clock, serveRound, onError)
  return { start: rounds.start, stop: rounds.stop, [Symbol.asyncDispose]: rounds.stop, receive }
}
