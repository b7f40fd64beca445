/**
 * Answers demands for a verifier's transcripts on the ledger, without a hand, and forgets what cannot be demanded any more.
 *
 * A demand that could not be answered is tried again in every round, for as long as the ledger waits for it.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Clock } from '../clock.ts'
import { digestOfTranscript } from '../evidence/transcript.ts'
import type { Signer } from '../identity.ts'
import type { CommandOf } from '../ledger/commands.ts'
import { isOpen } from '../ledger/dispute-rules.ts'
import type { AppliedEntry, Ledger, Receipt } from '../ledger/ledger.ts'
import { type Dispute, disputeKey } from '../ledger/state.ts'
import { statementDigestOf } from '../ledger/statements.ts'
import { submitUntilAnswered } from '../ledger/submit-until-answered.ts'
import type { DialLog } from './dial-log.ts'
import type { TranscriptStore } from './transcript-store.ts'

export type AnswerEvent =
  | { readonly kind: 'answered'; readonly round: number; readonly dealId: number; readonly receipt: Receipt }
  /** The transcript is not there: the verifier will be refuted. */
  | { readonly kind: 'cannotAnswer'; readonly round: number; readonly dealId: number }

export interface DemandAnswererOptions {
  readonly ledger: Ledger
  readonly signer: Signer
  readonly transcripts: TranscriptStore
  /** Kept as long as the transcripts. */
  readonly dials?: Pick<DialLog, 'prune'> | undefined
  readonly clock: Clock
  readonly random: (sizeBytes: number) => Uint8Array
  readonly onEvent: (event: AnswerEvent) => void
  readonly onError: (error: unknown) => void
}

export interface DemandAnswerer {
  start(): void
  /** Idempotent; resolves when no answer is on its way any more. */
  stop(): Promise<void>
}

export function createDemandAnswerer(options: DemandAnswererOptions): DemandAnswerer {
  const { ledger, signer, transcripts, dials, clock, random, onEvent, onError } = options
  const { state } = ledger
  /** Demands that have been looked at since the last round opened. */
  let tried = new Set<string>()
  const running = new Set<Promise<void>>()
  let life: { readonly end: () => void; readonly controller: AbortController } | undefined

  function run(work: (signal: AbortSignal) => Promise<void>, { signal }: AbortController): void {
    const done: Promise<void> = work(signal)
      .catch(error => {
        if (!signal.aborted) onError(error)
      })
      .finally(() => running.delete(done))
    running.add(done)
  }

  function answerAll(controller: AbortController): void {
    for (const dispute of state.disputes.values()) {
      const key = disputeKey(dispute.verifier, dispute.round, dispute.dealId)
      if (dispute.verifier !== signer.address || !isOpen(dispute) || tried.has(key)) continue
      tried.add(key)
      run(signal => answer(dispute, signal), controller)
    }
  }

  async function answer({ round, dealId }: Dispute, signal: AbortSignal): Promise<void> {
    const command = await answerOf(round, dealId)
    if (command === undefined) return onEvent({ kind: 'cannotAnswer', round, dealId })
    const receipt = await submitUntilAnswered(ledger, command, clock, signal)
    onEvent({ kind: 'answered', round, dealId, receipt })
  }

  async function answerOf(round: number, dealId: number): Promise<CommandOf<'AnswerTranscript'> | undefined> {
    const shown = await transcripts.get(round, dealId)
    if (shown?.proofs === undefined) return undefined
    const { transcript, path, proofs } = shown
    const { statementRoundsMax, proving } = state.parameters
    const statement = {
      verifier: signer.address,
      id: bytesToHex(random(16)),
      validUntilRound: state.round + Math.min(statementRoundsMax, proving.answerRounds),
      round,
      dealId,
      transcript: digestOfTranscript(transcript)
    }
    const signature = signer.sign(statementDigestOf(state)('AnswerTranscript', statement))
    return { kind: 'AnswerTranscript', statement, signature, transcript, path: [...path], proofs: [...proofs] }
  }

  function passRound(controller: AbortController): void {
    tried = new Set()
    // What the ledger has forgotten, nobody can demand.
    const [oldest = state.round] = state.closed.keys()
    run(() => transcripts.prune(oldest), controller)
    run(async () => dials?.prune(oldest), controller)
    answerAll(controller)
  }

  function follow({ events }: AppliedEntry, controller: AbortController): void {
    if (events.some(({ kind }) => kind === 'roundOpened')) passRound(controller)
    else if (events.some(event => event.kind === 'transcriptDemanded' && event.verifier === signer.address))
      answerAll(controller)
  }

  return {
    start() {
      if (life !== undefined) return
      const controller = new AbortController()
      life = { controller, end: ledger.subscribe(entry => follow(entry, controller)) }
      passRound(controller)
    },
    async stop() {
      life?.end()
      life?.controller.abort()
      life = undefined
      await Promise.all(running)
    }
  }
}
