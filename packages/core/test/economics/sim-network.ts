/**
 * A ledger for thousands of rounds: the real machine, real pieces and real proofs, cheap signatures, seeds without a beacon.
 *
 * Every command goes through `apply`, proofs are checked by it. A round is opened by what `apply` itself calls once it has
 * checked the beacon's signature, which would cost more than all else in a round together; `sim-network.test.ts` shows that
 * both give the same state.
 */
import { portableNodeHasher } from '@holdfast/proofs'
import { apply } from '../../src/ledger/apply.ts'
import { openRoundOf } from '../../src/ledger/close-round.ts'
import type { Command, CommandKind, CommandOf, PieceProof } from '../../src/ledger/commands.ts'
import type { EntryBody } from '../../src/ledger/entry.ts'
import type { LedgerEvent } from '../../src/ledger/event.ts'
import type { RefusalCode } from '../../src/ledger/refusal.ts'
import type { LedgerTools } from '../../src/ledger/rules.ts'
import { accountOf, createLedgerState, type Deal, type LedgerState } from '../../src/ledger/state.ts'
import { createStatementDigest, type Statement, type StatementKind } from '../../src/ledger/statements.ts'
import { expireIds } from '../../src/ledger/used-ids.ts'
import type { NetworkParameters } from '../../src/network.ts'
import { proveChallenges } from '../../src/provider/prove.ts'
import type { PieceChallenge } from '../../src/rounds/challenge.ts'
import { opensLate, roundOpensMs } from '../../src/rounds/schedule.ts'
import type { Address } from '../../src/schema.ts'
import { MemoryPieces, pieceOf, type TestPiece } from '../ledger/memory-pieces.ts'
import { cheapSignatures, type Party } from './parties.ts'

export const SIM_TOOLS: LedgerTools = { signatures: cheapSignatures, nodeHasher: portableNodeHasher }

/** Pieces of 8 leaves: the shortest trees in which a proof still has siblings. */
export const LEAVES_PER_PIECE = 8
export const PIECES: readonly TestPiece[] = Array.from({ length: 8 }, (_, index) =>
  pieceOf(`economics piece ${index}`, 32 * LEAVES_PER_PIECE - 2)
)
const STORE = new MemoryPieces(...PIECES)

type Unsigned<Kind extends StatementKind> = Omit<Statement<Kind>, 'id' | 'validUntilRound'>
type Rest<Kind extends CommandKind> = Omit<CommandOf<Kind>, 'kind' | 'statement' | 'signature'>

export class SimNetwork {
  readonly parameters: NetworkParameters
  readonly state: LedgerState
  readonly digestOf: ReturnType<typeof createStatementDigest>
  readonly #seedOfRound: (round: number) => Uint8Array
  readonly #listener: (event: LedgerEvent) => void
  #ids = 0
  #timeMs: number

  constructor(
    parameters: NetworkParameters,
    seedOfRound: (round: number) => Uint8Array,
    listener: (event: LedgerEvent) => void = () => {}
  ) {
    this.parameters = parameters
    this.state = createLedgerState(parameters)
    this.digestOf = createStatementDigest(this.state.networkId)
    this.#seedOfRound = seedOfRound
    this.#listener = listener
    this.#timeMs = parameters.genesisMs - parameters.roundMs
    this.#append({ kind: 'genesis', networkId: this.state.networkId })
  }

  get round(): number {
    return this.state.round
  }

  #append(body: EntryBody) {
    const { sequence } = this.state
    const result = apply(this.state, { version: 1, sequence, timeMs: this.#timeMs, body }, SIM_TOOLS)
    if (result.ok) for (const event of result.events) this.#listener(event)
    return result
  }

  command<Kind extends CommandKind>(
    kind: Kind,
    signer: Party,
    statement: Unsigned<Kind>,
    ...rest: [keyof Rest<Kind>] extends [never] ? [] : [rest: Rest<Kind>]
  ): Command {
    const full = { ...this.validity(), ...statement } as unknown as Statement<Kind>
    return {
      kind,
      statement: full,
      signature: signer.sign(this.digestOf(kind, full)),
      ...rest[0]
    } as unknown as Command
  }

  validity(): { id: string; validUntilRound: number } {
    this.#ids += 1
    return { id: this.#ids.toString(16).padStart(32, '0'), validUntilRound: this.round + 5 }
  }

  /** @returns the code of the refusal; undefined when it was taken */
  submit(command: Command): RefusalCode | undefined {
    const result = this.#append({ kind: 'command', command })
    return result.ok ? undefined : result.refusal.code
  }

  take(...commands: readonly Command[]): void {
    for (const command of commands) {
      const code = this.submit(command)
      if (code !== undefined) throw new Error(`round ${this.round}: ${command.kind} was refused: ${code}`)
    }
  }

  /** Opens the next round at its time, or so much later. */
  openRound(lateMs = 0): readonly LedgerEvent[] {
    const round = this.round + 1
    const timeMs = roundOpensMs(this.parameters, round) + lateMs
    if (opensLate(this.parameters, round, timeMs)) throw new Error(`round ${round} can only be void`)
    const events = [
      ...openRoundOf(this.state, round, this.#seedOfRound(round)),
      { kind: 'roundOpened', round } as const
    ]
    expireIds(this.state)
    this.#timeMs = timeMs
    this.state.timeMs = timeMs
    this.state.sequence += 1
    for (const event of events) this.#listener(event)
    return events
  }

  /** Passes over the next so many rounds, as late as it takes. */
  voidRounds(count: number): void {
    const to = this.round + count
    this.#timeMs = roundOpensMs(this.parameters, to) + this.parameters.roundLateMsMax + 1
    const result = this.#append({ kind: 'voidRounds', from: this.round + 1, to })
    if (!result.ok) throw new Error(`void rounds were refused: ${result.refusal.code}`)
  }

  /** Real proofs of leaves of a deal, from bytes that somebody has. */
  async prove(deal: Deal, challenges: readonly PieceChallenge[]): Promise<PieceProof[]> {
    const { signal } = new AbortController()
    return (await proveChallenges(challenges, deal.pieces, STORE, portableNodeHasher, signal))!
  }

  freeOf(address: Address): bigint {
    return accountOf(this.state, address).free
  }
}
