/**
 * Watches other verifiers: looks at some of their verdicts as each round closes, refutes those that their transcripts do
 * not bear out, and demands on the ledger what is not shown.
 *
 * Keeps nothing: what has been disputed stands on the ledger, and each demand and refutation has one id for ever, so that
 * no restart raises anything twice. *No answer* is never looked at. One verifier that stalls delays no other, and what is
 * fetched has the bounds of its protocol.
 */
import type { NodeHasher } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Clock } from '../clock.ts'
import type { ShownTranscript } from '../evidence/judge-transcript.ts'
import type { SignatureVerifier, Signer } from '../identity.ts'
import type { Command } from '../ledger/commands.ts'
import type { LedgerEvent } from '../ledger/event.ts'
import type { Ledger, Receipt } from '../ledger/ledger.ts'
import { disputeKey, type OpenRound } from '../ledger/state.ts'
import { submitUntilAnswered } from '../ledger/submit-until-answered.ts'
import { isDisputable } from '../rounds/boundaries.ts'
import { createDraw } from '../rounds/draw.ts'
import { followRounds } from '../rounds/follow-rounds.ts'
import type { Address } from '../schema.ts'
import {
  type CheckTranscriptOptions,
  checkTranscript,
  demandOf,
  refutationOf,
  type VerdictTarget
} from '../verifier/check-transcript.ts'
import type { ChooseVerdicts, ChosenVerdict } from './choose-verdicts.ts'
import { type DemandPolicy, judgeDemand } from './judge-demand.ts'

/** Verdicts that are looked at in one round: a transcript has up to 256 KiB. */
export const WATCHED_PER_ROUND_MAX = 64
/** Bonds that are put at risk in one round. */
export const DEMANDS_PER_ROUND_MAX = 4
/** A verifier is asked in so many rounds before the ledger asks it: it may just have restarted. */
const ASKED_BEFORE_DEMAND = 2
const VERIFIERS_AT_ONCE = 8
/** Verdicts that are remembered as not shown. */
const SILENT_MAX = 4 * WATCHED_PER_ROUND_MAX

const undecided = (reason: string) => ({ kind: 'undecided', reason }) as const

export type WatchEvent =
  | ({ readonly kind: 'watched'; readonly found: 'supports' | 'refuted' | 'undecided'; readonly reason: string } & Told)
  | ({ readonly kind: 'refuting'; readonly receipt: Receipt } & Told)
  | ({ readonly kind: 'demanded'; readonly receipt: Receipt } & Told)
  | ({ readonly kind: 'leftAlone'; readonly reason: string } & Told)
  /** A dispute that this peer raised is over. */
  | ({ readonly kind: 'won'; readonly reward: bigint; readonly reason: string } & VerdictTarget)
  | ({ readonly kind: 'answeredToAll'; readonly bond: bigint } & VerdictTarget)
type Told = ChosenVerdict

export interface WatcherOptions {
  readonly ledger: Ledger
  readonly signer: Signer
  readonly signatures: SignatureVerifier
  readonly nodeHasher: NodeHasher
  readonly clock: Clock
  readonly random: (sizeBytes: number) => Uint8Array
  readonly ask: CheckTranscriptOptions['ask']
  readonly choose: ChooseVerdicts
  readonly demands: DemandPolicy
  readonly onEvent?: (event: WatchEvent) => void
  readonly onError?: (error: unknown) => void
}

export interface Watcher extends AsyncDisposable {
  start(): void
  stop(): Promise<void>
}

export function createWatcher(options: WatcherOptions): Watcher {
  const { ledger, signer, clock, random, choose, demands } = options
  const { onEvent = () => undefined, onError = () => undefined } = options
  const { state } = ledger
  /** Those that were asked and showed nothing that decides, and in how many rounds. */
  const silent = new Map<string, { readonly target: ChosenVerdict; asked: number }>()
  let demandsLeft = DEMANDS_PER_ROUND_MAX
  let end: (() => void) | undefined

  function roundOf({ round }: VerdictTarget): OpenRound | undefined {
    const closed = state.closed.get(round)
    return closed !== undefined && isDisputable(closed.opening, state.openings, state.parameters.proving.disputeRounds)
      ? closed
      : undefined
  }

  /** Says whether somebody has raised it already: a dispute stays on the ledger for as long as its round does. */
  const isRaised = (target: VerdictTarget) => state.disputes.has(keyOf(target))

  /** What this round looks at: what the last one found silent, then what the newest closed round offers. */
  function chooseTargets(): ChosenVerdict[] {
    for (const [key, { target }] of silent) if (isRaised(target) || roundOf(target) === undefined) silent.delete(key)
    const newest = [...state.closed.values()].at(-1)
    const chosen = newest === undefined ? [] : choose(state, newest, createDraw(random(32), 'holdfast/watch'))
    const targets = new Map<string, ChosenVerdict>()
    for (const target of [...[...silent.values()].map(({ target: one }) => one), ...chosen]) {
      if (targets.size === WATCHED_PER_ROUND_MAX) break
      const isOther = target.verifier !== signer.address
      if (isOther && !isRaised(target) && roundOf(target) !== undefined) targets.set(keyOf(target), target)
    }
    return [...targets.values()]
  }

  async function watchRound(_round: number, signal: AbortSignal): Promise<void> {
    demandsLeft = DEMANDS_PER_ROUND_MAX
    const queues = [...Map.groupBy(chooseTargets(), ({ verifier }) => verifier).values()]
    const workers = Array.from({ length: VERIFIERS_AT_ONCE }, async () => {
      for (let queue = queues.shift(); queue !== undefined; queue = queues.shift()) await watchVerifier(queue, signal)
    })
    await Promise.all(workers)
  }

  /** One after the other; who does not answer at all is not waited for again in this round. */
  async function watchVerifier(targets: readonly ChosenVerdict[], signal: AbortSignal): Promise<void> {
    let away: string | undefined
    for (const target of targets) {
      // Who stalls until the round is over has been asked all the same.
      if (!isAskedEnough(target)) {
        noteAsked(target)
        const found = away === undefined ? await look(target, signal) : { ...undecided(away), isAway: true }
        if (found.kind !== 'undecided') silent.delete(keyOf(target))
        if (found.kind === 'nothing to check') continue
        onEvent({ kind: 'watched', ...target, found: found.kind, reason: 'reason' in found ? found.reason : '' })
        if (found.kind === 'refuted') await pressRefuted(target, found.shown, signal)
        if (found.kind === 'undecided' && found.isAway) away = found.reason
      }
      if (isAskedEnough(target)) await pressSilent(target, signal)
    }
  }

  function noteAsked(target: ChosenVerdict): void {
    const known = silent.get(keyOf(target))
    if (known !== undefined) known.asked += 1
    else if (silent.size < SILENT_MAX) silent.set(keyOf(target), { target, asked: 1 })
  }

  /** Also when it cannot be asked once more, because nobody could dispute it then. */
  function isAskedEnough(target: ChosenVerdict): boolean {
    const { asked } = silent.get(keyOf(target)) ?? { asked: 0 }
    const closed = roundOf(target)
    if (asked === 0 || closed === undefined) return false
    return asked >= ASKED_BEFORE_DEMAND || state.openings - closed.opening >= state.parameters.proving.disputeRounds
  }

  async function look(target: ChosenVerdict, signal: AbortSignal) {
    const { signatures, nodeHasher } = options
    let isAway = false
    const ask: CheckTranscriptOptions['ask'] = async (addresses, message, during) => {
      const answer = await options.ask(addresses, message, during)
      isAway = answer.kind !== 'answer' && answer.kind !== 'refused'
      return answer
    }
    const found = await checkTranscript({ state, signatures, nodeHasher, ask }, target, signal)
    return { ...found, isAway }
  }

  async function pressRefuted(target: ChosenVerdict, shown: ShownTranscript, signal: AbortSignal): Promise<void> {
    const maker = { state, signer, random: idOf('refute', target) }
    const receipt = await submit(refutationOf(maker, target, shown), signal)
    onEvent({ kind: 'refuting', ...target, receipt })
  }

  async function pressSilent(target: ChosenVerdict, signal: AbortSignal): Promise<void> {
    if (isRaised(target)) return
    const { verifier } = target
    const reason =
      demandsLeft === 0
        ? 'enough bonds are at risk in this round'
        : judgeDemand(state, { demander: signer.address, verifier, policy: demands })
    if (reason !== undefined) return onEvent({ kind: 'leftAlone', ...target, reason })
    demandsLeft -= 1
    const receipt = await submit(demandOf({ state, signer, random: idOf('demand', target) }, target), signal)
    onEvent({ kind: 'demanded', ...target, receipt })
  }

  const submit = (command: Command, signal: AbortSignal) => submitUntilAnswered(ledger, command, clock, signal)

  /** One id for one dispute of this peer, whenever it is raised: a second one is refused by the ledger. */
  function idOf(what: string, target: VerdictTarget): (sizeBytes: number) => Uint8Array {
    const digest = sha256(utf8ToBytes(`holdfast/watch/${what}/${signer.address}/${keyOf(target)}`))
    return sizeBytes => digest.subarray(0, sizeBytes)
  }

  function tell(event: LedgerEvent): void {
    if (event.kind === 'refuted' && event.refuter === signer.address)
      onEvent({ kind: 'won', ...targetOf(event), reward: event.reward, reason: event.reason })
    if (event.kind === 'transcriptAnswered' && event.demander === signer.address)
      onEvent({ kind: 'answeredToAll', ...targetOf(event), bond: event.bond })
  }

  const rounds = followRounds(ledger, clock, watchRound, onError)
  return {
    start() {
      end ??= ledger.subscribe(({ events }) => events.forEach(tell))
      rounds.start()
    },
    async stop() {
      end?.()
      end = undefined
      await rounds.stop()
    },
    [Symbol.asyncDispose]() {
      return this.stop()
    }
  }
}

function keyOf({ verifier, round, dealId }: VerdictTarget): string {
  return disputeKey(verifier, round, dealId)
}

function targetOf({ verifier, round, dealId }: { verifier: Address; round: number; dealId: number }): VerdictTarget {
  return { verifier, round, dealId }
}
