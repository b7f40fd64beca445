/**
 * Checks the deals that the beacon assigns to this verifier, round after round, and attests what it saw.
 *
 * Providers push their proofs; those who did not come are asked. Three things are kept apart to the end: a pass, a bad
 * proof (with the provider's signature on it), and no answer. One attestation a round, as soon as every deal has
 * answered, and at the latest before the self-proofs begin; what it commits to is on disk before it is submitted, and
 * is shown to whoever demands it on the ledger.
 */
import type { NodeHasher } from '@holdfast/proofs'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Clock } from '../clock.ts'
import { merkleRoot } from '../evidence/merkle-root.ts'
import { digestOfTranscript } from '../evidence/transcript.ts'
import type { SignatureVerifier, Signer } from '../identity.ts'
import { newestAskOf } from '../ledger/asks.ts'
import type { CommandOf } from '../ledger/commands.ts'
import type { Ledger, Receipt } from '../ledger/ledger.ts'
import type { SignedDigest } from '../ledger/signed-digests.ts'
import type { OpenRound } from '../ledger/state.ts'
import { statementDigestOf } from '../ledger/statements.ts'
import { submitUntilAnswered } from '../ledger/submit-until-answered.ts'
import type { PushedProof } from '../protocols/definitions.ts'
import { batchDeals } from '../protocols/proof-batches.ts'
import type { Answer } from '../protocols/protocol.ts'
import { awaitRound, followRounds } from '../rounds/follow-rounds.ts'
import { attestFromMs, roundOpensMs, selfProveFromMs } from '../rounds/schedule.ts'
import { decodeVerdicts, encodeVerdicts, type Verdict } from '../rounds/verdicts.ts'
import type { Address } from '../schema.ts'
import { type AnswerEvent, createDemandAnswerer } from './answer-demands.ts'
import { type DialLog, type DialRecord, outcomeOfAnswer, silence } from './dial-log.ts'
import { type CheckedProof, createRoundChecks, type RoundChecks } from './round-checks.ts'
import type { KeptTranscript, TranscriptStore } from './transcript-store.ts'

/** How far this verifier's ledger may lag behind a provider's: the news of a round reaches them over different ways. */
const ROUND_LAG_MS_MAX = 1_000

/** Deals whose proofs are hashed together: enough for a native hasher, and some milliseconds with a portable one. */
const DEALS_CHECKED_AT_ONCE = 8

export type VerifierEvent =
  | AnswerEvent
  | { readonly kind: 'checked'; readonly round: number; readonly checked: CheckedProof }
  /** A provider that had not come was asked. */
  | { readonly kind: 'dialled'; readonly dial: DialRecord }
  | {
      readonly kind: 'attested'
      readonly round: number
      readonly verdicts: readonly { readonly dealId: number; readonly verdict: Verdict }[]
      readonly receipt: Receipt
    }

export interface VerifierOptions {
  readonly ledger: Ledger
  readonly signer: Signer
  readonly signatures: SignatureVerifier
  /** Recovers the signers of a whole message at once, elsewhere; `signatures` knows them then. */
  readonly prefetch?: (signed: readonly SignedDigest[]) => Promise<void>
  /** Lets others run between two proofs of a message. */
  readonly pause?: () => Promise<void>
  readonly nodeHasher: NodeHasher
  readonly clock: Clock
  readonly random: (sizeBytes: number) => Uint8Array
  /** This verifier's alone; outlives it and is not closed by it. */
  readonly transcripts: TranscriptStore
  /** As the transcripts; without one, nothing is kept of whom this verifier asked in vain. */
  readonly dials?: DialLog
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
  const { ledger, signer, signatures, nodeHasher, clock, transcripts } = options
  const { dials, pause, onEvent = () => undefined, onError = () => undefined } = options
  const { state } = ledger
  let current: { readonly open: OpenRound; readonly checks: RoundChecks } | undefined
  let answered: (() => void) | undefined

  function checksOf(open: OpenRound, round: number): RoundChecks {
    if (current?.open !== open) {
      const { address: verifier } = signer
      current = { open, checks: createRoundChecks({ state, open, round, verifier, signatures, nodeHasher }) }
    }
    return current.checks
  }

  async function receive(round: number, items: readonly PushedProof[]): Promise<CheckedProof[]> {
    if (round === state.round + 1) await awaitRound(ledger, clock, round, ROUND_LAG_MS_MAX)
    const { open } = state
    if (open === undefined || round !== state.round)
      return items.map(({ dealId }) => ({ dealId, verdict: 'not asked', reason: `round ${round} is not open here` }))
    const checks = checksOf(open, round)
    await options.prefetch?.(items.flatMap(item => checks.signedBy(item) ?? []))
    const results = await Promise.all(await checkAll(checks, items))
    for (const checked of results) onEvent({ kind: 'checked', round, checked })
    if (checks.unanswered().length === 0) answered?.()
    return results
  }

  async function checkAll(checks: RoundChecks, items: readonly PushedProof[]) {
    const results: (CheckedProof | Promise<CheckedProof>)[] = []
    for (let from = 0; from < items.length; from += DEALS_CHECKED_AT_ONCE) {
      for (const { checked, kept } of checks.check(items.slice(from, from + DEALS_CHECKED_AT_ONCE)))
        results.push(kept === undefined ? checked : keep(checks, checked, kept))
      await pause?.()
    }
    return results
  }

  /** A verdict that could not be answered for is none. */
  async function keep(checks: RoundChecks, checked: CheckedProof, kept: KeptTranscript): Promise<CheckedProof> {
    try {
      await transcripts.put(kept)
      return checked
    } catch (error) {
      onError(error)
      checks.forget(checked.dealId)
      return { ...checked, verdict: 'not asked', reason: 'this verifier cannot keep the proof' }
    }
  }

  /** Resolves when every assigned deal has answered, and at the latest at the given time. */
  async function awaitAnswers(checks: RoundChecks, untilMs: number, signal: AbortSignal): Promise<void> {
    if (checks.unanswered().length === 0) return
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
    const deals = checksOf(open, round)
      .unanswered()
      .map(dealId => state.deals.get(dealId)!)
    const tried = await Promise.all(
      [...Map.groupBy(deals, ({ provider }) => provider)].flatMap(([provider, owing]) =>
        batchDeals(owing).map(batch => ask(open, provider, { round, dealIds: batch.map(({ id }) => id) }, signal))
      )
    )
    await dials?.add(tried).catch(onError)
  }

  /** One provider's trouble, such as an address that cannot be dialled, is kept from the others. */
  async function ask(
    open: OpenRound,
    provider: Address,
    message: { round: number; dealIds: number[] },
    signal: AbortSignal
  ): Promise<DialRecord> {
    const addresses = [...(newestAskOf(state, provider)?.addresses ?? [])]
    const fromMs = clock.now()
    const noted = (outcome: DialRecord['outcome']): DialRecord => {
      const dial = { ...message, provider, addresses, fromMs, untilMs: clock.now(), outcome }
      onEvent({ kind: 'dialled', dial })
      return dial
    }
    try {
      const answer = await options.ask(addresses, message, signal)
      const dial = noted(outcomeOfAnswer(answer))
      if (answer.kind === 'answer' && state.open === open) await receive(message.round, answer.value.items)
      return dial
    } catch (error) {
      if (signal.aborted) return noted(silence('LATE', 'nothing came before this verifier had to attest'))
      onError(error)
      return noted(silence('FAILED', error instanceof Error ? error.message : String(error)))
    }
  }

  /** Seals what was seen. A proof that is still on its way to the disk is in front of the seal there. */
  async function seal(checks: RoundChecks, round: number): Promise<CommandOf<'Attestation'>> {
    const seen = checks.close()
    const statement = {
      verifier: signer.address,
      id: bytesToHex(options.random(16)),
      validUntilRound: round,
      round,
      verdicts: encodeVerdicts(seen.map(({ verdict }) => verdict)),
      transcripts: merkleRoot(seen.map(digestOfTranscript))
    }
    const signature = signer.sign(statementDigestOf(state)('Attestation', statement))
    const attestation = { kind: 'Attestation', statement, signature } as const
    await transcripts.seal(attestation, seen)
    return attestation
  }

  async function submit(
    attestation: CommandOf<'Attestation'>,
    dealIds: readonly number[],
    signal: AbortSignal
  ): Promise<void> {
    const receipt = await submitUntilAnswered(ledger, attestation, clock, signal)
    const { round, verdicts } = attestation.statement
    const said = decodeVerdicts(verdicts, dealIds.length) ?? []
    onEvent({
      kind: 'attested',
      round,
      verdicts: said.map((verdict, index) => ({ dealId: dealIds[index]!, verdict })),
      receipt
    })
  }

  /** Before the self-proofs begin; a verifier that comes back later than that can still be heard while the round is open. */
  function attestByMs(parameters: typeof state.parameters, round: number): number {
    const selfProofsMs = selfProveFromMs(parameters, round)
    return clock.now() < selfProofsMs ? selfProofsMs : roundOpensMs(parameters, round + 1)
  }

  async function serveRound(round: number, signal: AbortSignal): Promise<void> {
    const { open, parameters } = state
    if (open === undefined || open.attestations.has(signer.address)) return
    const checks = checksOf(open, round)
    if (checks.dealIds.length === 0) return
    const before = await transcripts.sealed(round)
    if (before !== undefined) {
      checks.close()
      return await submit(before, checks.dealIds, signal)
    }
    await awaitAnswers(checks, attestFromMs(parameters, round), signal)
    if (checks.unanswered().length > 0) {
      // Those who are asked get half of what is left; the attestation must not miss its own time.
      const answerMs = (attestByMs(parameters, round) - clock.now()) / 2
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
    await submit(await seal(checks, round), checks.dealIds, signal)
  }

  const rounds = followRounds(ledger, clock, serveRound, onError)
  const { random } = options
  const answers = createDemandAnswerer({ ledger, signer, transcripts, dials, clock, random, onEvent, onError })
  const stop = async () => {
    await Promise.all([rounds.stop(), answers.stop()])
  }
  return {
    start() {
      rounds.start()
      answers.start()
    },
    stop,
    [Symbol.asyncDispose]: stop,
    receive
  }
}
