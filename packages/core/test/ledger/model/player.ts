/**
 * Plays steps: turns each into commands and entries that fit the moment, or that fail in one named way. What it says
 * about them to the model follows from how it made them.
 */

import type { Command, CommandKind, PieceProof } from '../../../src/ledger/commands.ts'
import type { EntryBody } from '../../../src/ledger/entry.ts'
import type { RefusalCode } from '../../../src/ledger/refusal.ts'
import {
  createStatementDigest,
  type Statement,
  type StatementDigest,
  type StatementKind
} from '../../../src/ledger/statements.ts'
import type { Address } from '../../../src/schema.ts'
import type { PairedLedger } from './paired-ledger.ts'
import type { CommandFacts } from './simple/facts.ts'
import { account, type ModelDeal, type ModelState } from './simple/state.ts'
import type { KeptTranscript } from './transcripts.ts'
import { type Keys, NOBODY } from './world.ts'

/** What a run does next; the numbers choose among what there is. */
export interface Step {
  readonly kind: string
  readonly who: number
  readonly what: number
  readonly how: number
  /** 0: none. See `FLAWS`; above them, each play has its own. */
  readonly flaw: number
}

/** What can be wrong with any command. */
export const FLAWS = {
  expired: 1,
  tooLong: 2,
  otherSigner: 3,
  otherNetwork: 4,
  noSignature: 5,
  otherAcceptance: 6,
  usedId: 7
} as const
const OWN_FLAWS_FROM = 8

export interface Submission {
  readonly command: Command
  readonly facts: CommandFacts
}

type Unsigned<Kind extends StatementKind> = Omit<Statement<Kind>, 'id' | 'validUntilRound'>

export class Player {
  readonly ledger: PairedLedger
  readonly digestOf: StatementDigest
  /** What was submitted, newest last; and what is held back for later. */
  readonly history: Submission[] = []
  readonly held: Submission[] = []
  /** By verifier and round. */
  readonly kept = new Map<string, readonly KeptTranscript[]>()
  /** By round and deal. */
  readonly proofs = new Map<string, PieceProof[]>()
  readonly keys: Keys
  readonly #otherDigestOf = createStatementDigest(new Uint8Array(32))
  #ids: number

  constructor(ledger: PairedLedger, keys: Keys) {
    this.#ids = ledger.entries.length
    this.ledger = ledger
    this.keys = keys
    this.digestOf = createStatementDigest(ledger.state.networkId)
  }

  get model(): ModelState {
    return this.ledger.model
  }

  freeOf(address: Address): bigint {
    return account(this.model, address).free
  }

  /** Signs a statement in the way that a step asks for, and makes the command of it. */
  sign<Kind extends CommandKind>(
    kind: Kind,
    step: Pick<Step, 'flaw' | 'what' | 'how'>,
    signer: Address,
    statement: Unsigned<Kind>,
    {
      rest = {},
      acceptor,
      ...facts
    }: { rest?: object; acceptor?: Address } & Omit<CommandFacts, 'signed' | 'accepted'> = {}
  ): Submission {
    const full = { ...statement, ...(kind === 'Transfer' ? {} : this.#validity(signer, step)) } as Statement<Kind>
    const order = this.digestOf(kind, full)
    const signature = this.#signature(signer, order, step.flaw, this.#otherDigestOf(kind, full))
    const accepted = acceptor !== undefined && step.flaw !== FLAWS.otherAcceptance
    const acceptance = (): Uint8Array => {
      const provider = accepted ? acceptor : NOBODY
      return this.keys.signerOf(accepted ? acceptor : signer).sign(this.digestOf('Acceptance', { provider, order }))
    }
    const withAcceptance = kind === 'DealOrder' || kind === 'PiecesOrder' ? { acceptance: acceptance() } : {}
    const command = { kind, statement: full, signature, ...withAcceptance, ...rest } as unknown as Command
    return { command, facts: { ...facts, signed: step.flaw < 3 || step.flaw > 5, accepted } }
  }

  /** Submits a command, and remembers it. */
  submit({ command, facts }: Submission): RefusalCode | undefined {
    this.history.push({ command, facts })
    return this.ledger.append({ kind: 'command', command }, { command: facts })
  }

  /** Submits a command now, or keeps it for later: what arrives late arrives in another order. */
  submitOrHold(submission: Submission, { how }: Step): RefusalCode | undefined {
    if (how % 23 !== 22) return this.submit(submission)
    this.held.push(submission)
    return undefined
  }

  append(body: EntryBody, isRight = true): RefusalCode | undefined {
    return this.ledger.append(body, { isRight })
  }

  /** A deal of the model, the newer ones more often; undefined while there is none. */
  deal({ who }: Step): ModelDeal | undefined {
    const { deals } = this.model
    return deals.at(-1 - (who % Math.min(deals.length, 6)))
  }

  #validity(signer: Address, { flaw, what, how }: Pick<Step, 'flaw' | 'what' | 'how'>) {
    const { round, parameters, ids } = this.model
    const own = ids.filter(one => one.signer === signer)
    const used = flaw === FLAWS.usedId && own.length > 0 ? own[what % own.length]!.id : undefined
    this.#ids += 1
    const lasting = parameters.statementRoundsMax - (how % 4)
    const validUntilRound =
      flaw === FLAWS.expired
        ? Math.max(0, round - 1)
        : round + (flaw === FLAWS.tooLong ? parameters.statementRoundsMax + 1 : lasting)
    return { id: used ?? this.#ids.toString(16).padStart(32, '0'), validUntilRound }
  }

  #signature(signer: Address, digest: Uint8Array, flaw: number, otherDigest: Uint8Array): Uint8Array {
    if (flaw === FLAWS.noSignature) return new Uint8Array(65)
    if (flaw === FLAWS.otherNetwork) return this.keys.signerOf(signer).sign(otherDigest)
    if (flaw !== FLAWS.otherSigner) return this.keys.signerOf(signer).sign(digest)
    const other = this.ledger.parameters.accounts.find(({ address }) => address !== signer)!
    return this.keys.signerOf(other.address).sign(digest)
  }
}

/** A flaw that a play has of its own, from 0; -1 when the step has none. */
export function ownFlaw({ flaw }: Step): number {
  return flaw < OWN_FLAWS_FROM ? -1 : flaw - OWN_FLAWS_FROM
}

export function pick<Item>(items: readonly Item[], number: number): Item {
  return items[number % items.length]!
}

/** An amount that is enough for what is needed, mostly, or just not, or far too much. */
export function amountNear(needed: bigint, { how }: Step): bigint {
  const less = needed > 0n ? needed - 1n : 0n
  return pick([needed, needed, needed + 1n, needed * 2n, needed * 4n, needed * 7n, less, 0n, 2n ** 127n], how)
}
