/**
 * Looks at providers from time to time, for as long as a verifier runs: unannounced, at random, within a budget of bytes.
 *
 * Every look has a connection and a key of its own. That hides from a provider which reader is a verifier, as far as keys
 * go; it does not hide the address that the connection comes from, and a verifier that announces the same address on the
 * ledger can be told by it.
 */
import type { Clock } from '../clock.ts'
import { CoreError } from '../error.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { createDraw, type Draw } from '../rounds/draw.ts'
import type { Address } from '../schema.ts'
import { type LookComponents, lookByReading, lookForBinding, type Seen } from './look.ts'
import type { Observation } from './observation.ts'
import {
  type ByteBudget,
  drawObject,
  drawPauseMs,
  drawReadSize,
  isCurrent,
  type ObservedObject,
  READ_SIZE_BYTES_MIN,
  refill,
  spend
} from './plan-observation.ts'

/** A look that takes longer is over: the least rate of a transfer, and time to find it out. */
const LOOK_MS_MAX = 120_000

/** Bytes of a binding check, reserved while one is under way: nodes and a leaf, each in the quads around it. */
const BINDING_SIZE_BYTES = 4 * 1024 * 1024

const SEED_SIZE_BYTES = 32

export interface ObserverRates {
  /** On average; 0 for none. */
  readonly readsPerHour: number
  readonly bindingChecksPerHour: number
  /** Of both together. */
  readonly bytesPerHour: number
}

/** A connection that nobody has seen before. */
export interface LookSession extends AsyncDisposable {
  readonly node: LookComponents['node']
  readonly http: LookComponents['http']
}

export interface ObserverOptions extends Pick<LookComponents, 'nodeHasher' | 'patience'> {
  readonly ledger: Pick<Ledger, 'state'>
  /** Whose verifier looks: its own deals are left out. */
  readonly self: Address
  readonly clock: Clock
  readonly random: (sizeBytes: number) => Uint8Array
  readonly rates: ObserverRates
  readonly openSession: () => Promise<LookSession>
  readonly onObservation: (observation: Observation) => Promise<void> | void
  /** Told of what is nobody else's fault; the next look comes all the same. */
  readonly onError?: (error: unknown) => void
}

export interface Observer extends AsyncDisposable {
  start(): void
  /** Idempotent; resolves when no look is under way any more. */
  stop(): Promise<void>
}

export function createObserver(options: ObserverOptions): Observer {
  const { ledger, self, clock, random, rates, onError = () => undefined } = options
  const { state } = ledger
  const ending = new AbortController()
  let budget: ByteBudget = { bytes: rates.bytesPerHour, timeMs: clock.now() }
  let running: Promise<unknown> | undefined

  const chance = () => createDraw(random(SEED_SIZE_BYTES), 'holdfast/observation')

  async function repeat(perHour: number, look: (draw: Draw) => Promise<void>): Promise<void> {
    if (perHour <= 0) return
    while (!ending.signal.aborted) {
      const draw = chance()
      await clock.sleep(drawPauseMs(perHour, draw), ending.signal).catch(() => undefined)
      if (ending.signal.aborted) return
      await look(draw).catch(error => {
        if (!ending.signal.aborted) onError(error)
      })
    }
  }

  /** @param reserved - bytes that the look may take; what it did not take is given back */
  async function withBudget(reserved: number, look: () => Promise<number>): Promise<void> {
    budget = spend(budget, reserved)
    let taken = 0
    try {
      taken = await look()
    } finally {
      budget = spend(budget, taken - reserved)
    }
  }

  async function read(draw: Draw): Promise<void> {
    budget = refill(budget, rates.bytesPerHour, clock.now())
    const lengthBytes = Math.floor(Math.min(drawReadSize(draw), budget.bytes))
    if (lengthBytes < READ_SIZE_BYTES_MIN) return
    const wishes = { lengthBytes, draw }
    await withBudget(lengthBytes, () =>
      observe('read', draw, (components, object, signal) => lookByReading(components, object, { ...wishes, signal }))
    )
  }

  async function check(draw: Draw): Promise<void> {
    budget = refill(budget, rates.bytesPerHour, clock.now())
    const reserved = Math.min(BINDING_SIZE_BYTES, rates.bytesPerHour)
    if (budget.bytes < reserved) return
    await withBudget(reserved, () =>
      observe('binding', draw, (components, object, signal) => lookForBinding(components, object, { draw, signal }))
    )
  }

  /** @returns bytes that came */
  async function observe(kind: LookKind, draw: Draw, look: Look): Promise<number> {
    const object = isCurrent(state, clock.now()) ? drawObject(state, self, draw) : undefined
    if (object === undefined) return 0
    const { nodeHasher, patience } = options
    await using session = await options.openSession()
    const { node, http } = session
    const { networkId } = state
    const now = () => clock.now()
    const components = { node, http, networkId, nodeHasher, now, ...(patience !== undefined && { patience }) }
    const deadline = new AbortController()
    const cut = () => deadline.abort(ending.signal.reason)
    ending.signal.addEventListener('abort', cut, { once: true })
    const waiting = clock.sleep(LOOK_MS_MAX, deadline.signal).then(
      () => deadline.abort(new CoreError('TOO_SLOW', `a look took longer than ${LOOK_MS_MAX / 1000} s`)),
      () => undefined
    )
    try {
      const seen = await look(components, object, deadline.signal).catch(error => tooSlow(kind, error))
      const { provider, dealId } = object
      await options.onObservation({ ...seen, provider, dealId, round: state.round, timeMs: now() })
      return seen.bytes
    } finally {
      ending.signal.removeEventListener('abort', cut)
      deadline.abort()
      await waiting
    }
  }

  return {
    start() {
      running ??= Promise.all([repeat(rates.readsPerHour, read), repeat(rates.bindingChecksPerHour, check)])
    },
    stop,
    [Symbol.asyncDispose]: stop
  }

  async function stop(): Promise<void> {
    ending.abort()
    await running
  }
}

type LookKind = 'read' | 'binding'
type Look = (
  components: LookComponents,
  object: ObservedObject,
  signal: AbortSignal
) => Promise<Seen<'read'> | Seen<'binding'>>

/** Slow beyond any patience is something to observe; whatever else ended a look is not. */
function tooSlow(kind: LookKind, error: unknown): Seen<'read'> | Seen<'binding'> {
  if (!(error instanceof CoreError) || error.code !== 'TOO_SLOW') throw error
  const { message: reason } = error
  return kind === 'read'
    ? { kind, outcome: 'failed', bytes: 0, reason }
    : { kind, outcome: 'no answer', bytes: 0, reason }
}
