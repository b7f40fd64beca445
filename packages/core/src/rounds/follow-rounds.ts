/** Runs a duty once in every round that is open now: what prover and verifier have in common. */
import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { roundAtMs } from './schedule.ts'

/** @param signal - aborts when the next round opens or the duty is stopped */
export type RoundDuty = (round: number, signal: AbortSignal) => Promise<void>

export interface RoundFollower {
  start(): void
  /** Idempotent; resolves when no duty runs any more. */
  stop(): Promise<void>
}

/**
 * Rounds that the clock says are over are passed by: a follower that catches up owes nothing to the past.
 *
 * @param onError - told what a duty threw, other than being cut off by the end of its round; the next round is served
 */
export function followRounds(
  ledger: Ledger,
  clock: Clock,
  duty: RoundDuty,
  onError: (error: unknown) => void = () => undefined
): RoundFollower {
  let end: (() => void) | undefined
  let current: AbortController | undefined
  let servedRound = 0
  const running = new Set<Promise<void>>()

  function check(): void {
    const { round, parameters } = ledger.state
    // A clock that is a little behind the host's finds a round open before its time: it is the one to serve.
    if (round === servedRound || round < roundAtMs(parameters, clock.now())) return
    servedRound = round
    current?.abort()
    const controller = new AbortController()
    current = controller
    const done: Promise<void> = duty(round, controller.signal)
      .catch(error => {
        if (!controller.signal.aborted) onError(error)
      })
      .finally(() => running.delete(done))
    running.add(done)
  }

  return {
    start() {
      if (end !== undefined) return
      end = ledger.subscribe(check)
      check()
    },
    async stop() {
      end?.()
      end = undefined
      current?.abort()
      await Promise.all(running)
    }
  }
}

/** Waits until the ledger has reached a round, for at most `msMax`: its news and a message about it race each other. */
export function awaitRound(ledger: Ledger, clock: Clock, round: number, msMax: number): Promise<void> {
  if (ledger.state.round >= round) return Promise.resolve()
  const reached = new AbortController()
  const end = ledger.subscribe(() => {
    if (ledger.state.round >= round) reached.abort()
  })
  return clock
    .sleep(msMax, reached.signal)
    .catch(() => undefined)
    .finally(end)
}
