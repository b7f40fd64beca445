/**
 * The machine and the model side by side: every entry goes to both, and after each they must agree in everything, the
 * invariants hold, every account's credit lines add up, and what was refused has changed nothing.
 */
import { isDeepStrictEqual } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { portableNodeHasher } from '@holdfast/proofs'
import { apply } from '../../../src/ledger/apply.ts'
import { decodeEntry, type Entry, type EntryBody, encodeEntry } from '../../../src/ledger/entry.ts'
import { hashState } from '../../../src/ledger/hash-state.ts'
import { checkInvariants } from '../../../src/ledger/invariants.ts'
import { type AppliedEntry, createLedgerMachine, type LedgerMachine } from '../../../src/ledger/ledger.ts'
import type { Refusal, RefusalCode } from '../../../src/ledger/refusal.ts'
import type { LedgerTools } from '../../../src/ledger/rules.ts'
import { createLedgerState, type LedgerState } from '../../../src/ledger/state.ts'
import { decodeState, encodeState } from '../../../src/ledger/state-codec.ts'
import { checkStep, lookAt } from '../../../src/ledger/step-invariants.ts'
import type { NetworkParameters } from '../../../src/network.ts'
import { beaconRoundOf } from '../../../src/rounds/schedule.ts'
import { auditCredits } from '../credit-audit.ts'
import { createChance } from './chance.ts'
import { findDifference } from './differences.ts'
import { applyToModel, type ModelAnswer } from './simple/entries.ts'
import type { EntryFacts } from './simple/facts.ts'
import { beginModel, type ModelState } from './simple/state.ts'
import { type Keys, signatureOf } from './world.ts'

/** An entry that both have decided about. */
export interface Decided {
  readonly entry: Entry
  readonly refusal: Refusal | undefined
  readonly applied: AppliedEntry | undefined
}

type Tell = (decided: Decided, paired: PairedLedger) => void

/** Where another pair has got to. */
export interface Begun {
  readonly model: ModelState
  readonly state: LedgerState
  readonly entries: readonly Entry[]
}

export class PairedLedger {
  readonly parameters: NetworkParameters
  readonly tools: LedgerTools
  model: ModelState
  /** The log. */
  readonly entries: Entry[] = []
  nowMs: number
  readonly #tell: Tell
  readonly #chance: ReturnType<typeof createChance>
  #machine: LedgerMachine

  /** @param tell - called after every entry, taken or refused, once all is checked */
  constructor(parameters: NetworkParameters, keys: Keys, tell: Tell, begun?: Begun) {
    this.parameters = parameters
    this.tools = { signatures: keys.signatures, nodeHasher: portableNodeHasher }
    this.model = begun?.model ?? beginModel(parameters)
    this.nowMs = parameters.genesisMs - 1000
    this.#tell = tell
    this.#chance = createChance(parameters, round => signatureOf(beaconRoundOf(parameters, round)))
    this.#machine = createLedgerMachine(parameters, this.tools, begun?.state)
    auditCredits(this.#machine)
    this.entries.push(...(begun?.entries ?? []))
    if (begun !== undefined) return
    this.append({ kind: 'genesis', networkId: new Uint8Array(32) }, { isRight: false })
    this.append({ kind: 'genesis', networkId: this.state.networkId }, { isRight: true })
  }

  get state(): LedgerState {
    return this.#machine.state
  }

  /**
   * Appends a body to both.
   *
   * @param changes - of what the entry would be if it were the next one, now
   * @returns the refusal that both gave; undefined when both took it
   * @throws {Error} when they differ, or something does not hold
   */
  append(
    body: EntryBody,
    facts: EntryFacts,
    changes: Partial<Pick<Entry, 'sequence' | 'timeMs'>> = {}
  ): RefusalCode | undefined {
    const { model } = this
    const entry: Entry = { version: 1, sequence: model.sequence, timeMs: this.nowMs, body, ...changes }
    const answer = applyToModel(model, { ...entry, facts }, this.#chance)
    const before = answer.ok ? undefined : this.#image()
    const look = lookAt(this.state)
    const result = this.#machine.applyEntry(entry)
    const applied = result.ok ? result.applied : undefined
    const refusal = result.ok ? undefined : result.refusal
    this.#expectSameAnswer(entry, answer, refusal)
    if (applied === undefined) {
      if (!areSameState(before!, this.#image())) throw this.#failure(entry, 'the refused entry has changed the state')
    } else {
      this.model = (answer as Extract<ModelAnswer, { ok: true }>).state
      this.entries.push(entry)
      this.#machine.announce([applied])
      const difference = findDifference(this.model, this.state)
      if (difference !== undefined) throw this.#failure(entry, difference)
      const [violated] = [...checkInvariants(this.state), ...checkStep(look, this.state)]
      if (violated !== undefined) throw this.#failure(entry, `${violated.invariant}: ${violated.violation}`)
    }
    this.#tell({ entry, refusal, applied }, this)
    return refusal?.code
  }

  /** All of the state as bytes: ten times as fast as its hash. */
  #image(): Buffer {
    return serialize({ ...this.state, parameters: undefined })
  }

  /** The process dies and goes on from a snapshot. */
  async restart(): Promise<void> {
    const restored = await this.copyOfState()
    if (hashState(restored) !== hashState(this.state))
      throw new Error('the state that was written is not the state that was read')
    this.#machine = createLedgerMachine(this.parameters, this.tools, restored)
    auditCredits(this.#machine)
  }

  copyOfState(): Promise<LedgerState> {
    return decodeState([...encodeState(this.state)], this.parameters)
  }

  /** Applies the log from its first entry: gives the same state. */
  replay(): void {
    const state = createLedgerState(this.parameters)
    for (const entry of this.entries) {
      const read = decodeEntry(encodeEntry(entry))
      if (read === undefined) throw this.#failure(entry, 'it cannot be read again')
      const result = apply(state, read, this.tools)
      if (!result.ok) throw this.#failure(entry, `a replay refuses it: ${result.refusal.code}`)
    }
    if (hashState(state) !== hashState(this.state)) throw new Error('a replay gives another state')
  }

  /** Settles what a boundary has left in slices, and all at once: gives the same state. */
  async expectSlicesAgree(slices: readonly number[]): Promise<void> {
    if (this.state.closing === undefined) return
    const [atOnce, inSlices] = [await this.copyOfState(), await this.copyOfState()]
    settleAll(atOnce, [Number.MAX_SAFE_INTEGER], this)
    settleAll(inSlices, slices, this)
    inSlices.sequence = atOnce.sequence
    if (hashState(atOnce) !== hashState(inSlices)) throw new Error('what comes of a deal depends on the slices')
  }

  #expectSameAnswer(entry: Entry, answer: ModelAnswer, refusal: Refusal | undefined): void {
    const said = answer.ok ? undefined : answer.refusal
    if (said?.code !== refusal?.code)
      throw this.#failure(
        entry,
        `the model says ${said?.code ?? 'yes'}, the machine ${refusal === undefined ? 'yes' : `${refusal.code}: ${refusal.message}`}`
      )
    if (said?.sequence !== undefined && said.sequence !== refusal?.details.sequence)
      throw this.#failure(entry, `it is entry ${said.sequence}, and the machine says ${refusal?.details.sequence}`)
  }

  #failure({ sequence, body }: Entry, what: string): Error {
    const plain = (_: string, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value instanceof Uint8Array ? `${value.length} bytes` : value
    return new Error(`${what}\nat entry ${sequence}: ${JSON.stringify(body, plain)}`)
  }
}

/** The engine may write one number in two ways, which is seen to when the bytes differ. */
function areSameState(before: Buffer, after: Buffer): boolean {
  return before.equals(after) || isDeepStrictEqual(deserialize(before), deserialize(after))
}

function settleAll(state: LedgerState, slices: readonly number[], { tools, nowMs }: PairedLedger): void {
  for (let turn = 0; state.closing !== undefined; turn += 1) {
    const body = { kind: 'settle', count: slices[turn % slices.length]! } as const
    const timeMs = Math.max(nowMs, state.timeMs)
    const result = apply(state, { version: 1, sequence: state.sequence, timeMs, body }, tools)
    if (!result.ok) throw new Error(`settling was refused: ${result.refusal.code}`)
  }
}
