/**
 * What the model is told and does not work out: whether bytes are what they claim to be, and what the beacon drew.
 *
 * Everything else, it decides.
 */
import type { EntryBody } from '../../../../src/ledger/entry.ts'
import type { Address } from '../../../../src/schema.ts'

export interface LeafFacts {
  readonly pieceId: number
  readonly leafIndex: number
}

/** A CID in an order for pieces. */
export interface PieceFacts {
  readonly name: string
  readonly isPiece: boolean
  readonly rawSize: number
  readonly leafCount: number
}

/** A transcript that somebody shows, with its path and its proofs. */
export interface TranscriptFacts {
  /** It is the one whose digest the statement signs. */
  readonly digestFits: boolean
  /** Under which root the path shows it, and at which place; undefined when the path shows nothing. */
  readonly under: { readonly root: string; readonly index: number; readonly size: number } | undefined
  /** `asked` is what the round that it names asked of the deal that it names. */
  readonly askedFits: boolean
  /** `signed` by the deal's provider, for the verifier, deal and round in question. */
  readonly push: 'none' | 'unsigned' | 'signed'
  /** `others` are not those that the push names; the rest: exactly the round's leaves and verifying, or not. */
  readonly proofs: 'none' | 'others' | 'good' | 'bad'
}

export interface CommandFacts {
  /** The signature is that of the account which the statement names, over this statement on this network. */
  readonly signed: boolean
  /** The acceptance is that of the deal's provider, over this order on this network. */
  readonly accepted?: boolean
  readonly pieces?: readonly PieceFacts[]
  /**
   * Whether the proofs are those that the statement signs, whether `asked` is what the open round asks of the deal (of the
   * docket: nothing), and whether each proof verifies.
   */
  readonly proofs?: { readonly digestFits: boolean; readonly askedFits: boolean; readonly verify: boolean }
  readonly transcript?: TranscriptFacts
}

export interface EntryFacts {
  /** The beacon's signature is right for the round; the network id is this network's. */
  readonly isRight?: boolean
  readonly command?: CommandFacts
}

/** An entry as both sides get it. */
export interface ModelEntry {
  readonly sequence: number
  readonly timeMs: number
  readonly body: EntryBody
  readonly facts: EntryFacts
}

export interface FrozenPlaces {
  readonly address: Address
  readonly operator: Address
  readonly places: number
}

/** A deal that an opening challenges, as far as the beacon has a say in it. */
export interface ChallengedFacts {
  readonly dealId: number
  readonly client: Address
  readonly provider: Address
  readonly operator: Address
  readonly leavesPerRound: number
  readonly pieces: readonly { readonly id: number; readonly leafCount: number }[]
}

/** What the beacon drew for a deal. */
export interface DrawnFacts {
  readonly dealId: number
  /** In the order of their places. */
  readonly verifiers: readonly Address[]
  readonly mustOpen: boolean
  /** By piece and leaf, ascending, each once. */
  readonly leaves: readonly LeafFacts[]
}

/** The beacon: what it draws for the deals of a round, given who stands ready. */
export type Chance = (
  round: number,
  verifiers: readonly FrozenPlaces[],
  deals: readonly ChallengedFacts[]
) => readonly DrawnFacts[]
