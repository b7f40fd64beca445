/** A network under way: its deals, who has lost what of them, and what has been said. No party decides anything here. */

import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { PieceProof } from '../../src/ledger/commands.ts'
import type { LedgerEvent } from '../../src/ledger/event.ts'
import { assignmentOf, openChallengesOf } from '../../src/ledger/proof-rules.ts'
import type { Deal } from '../../src/ledger/state.ts'
import { dealsAssignedTo } from '../../src/rounds/assignment.ts'
import type { PieceChallenge } from '../../src/rounds/challenge.ts'
import { frozenDealOf } from '../../src/rounds/freeze.ts'
import { mustBeOpened } from '../../src/rounds/opening.ts'
import type { Address } from '../../src/schema.ts'
import { type Chance, chanceOf, seedOfName } from './chance.ts'
import { Ombudsman } from './ombudsman.ts'
import { type Party, partyOf } from './parties.ts'
import { PROVIDER_NAMES, type Scenario, type Strategy } from './scenario.ts'
import { PIECES, SimNetwork } from './sim-network.ts'
import type { Kept } from './verifiers.ts'

/** A deal and what its parties know about it. */
export interface Business {
  readonly deal: Deal
  readonly client: Party
  readonly provider: Party
  /** The conspirators follow the strategy; everybody else is honest. */
  readonly isClientFriend: boolean
  readonly isProviderFriend: boolean
  /** `<piece>/<leaf>` that the provider does not have, and cannot get. */
  readonly lost: Set<string>
  /** The opening in which it was opened. */
  readonly sinceOpening: number
}

/** What a provider sent a verifier for a deal in the open round. */
export interface Push {
  readonly proofs: readonly PieceProof[]
  readonly digest: Uint8Array
  readonly signature: Uint8Array
}

export const LABEL = utf8ToBytes('economics')

export class World {
  readonly scenario: Scenario
  readonly strategy: Strategy
  readonly network: SimNetwork
  readonly chance: Chance
  readonly businesses: Business[] = []
  readonly verifiers: readonly { readonly party: Party; readonly isFriend: boolean }[]
  readonly friends: ReadonlySet<Address>
  readonly ombudsman: Ombudsman
  /** Of the open round, by `<verifier>/<deal>`. */
  readonly pushes = new Map<string, Push>()
  /** By `<verifier>/<round>`: what was attested by. */
  readonly kept = new Map<string, readonly Kept[]>()
  /** Fresh keys that have been used. */
  keysUsed = 0

  constructor(scenario: Scenario, strategy: Strategy) {
    this.scenario = scenario
    this.strategy = strategy
    this.chance = chanceOf(`play ${scenario.name}`)
    this.verifiers = scenario.verifiers.map(({ name, isFriend }) => ({ party: partyOf(name), isFriend }))
    this.friends = new Set([
      ...(scenario.friends.client ? [partyOf('client').address] : []),
      ...(scenario.friends.provider
        ? PROVIDER_NAMES.filter(name => name !== 'other provider').map(name => partyOf(name).address)
        : []),
      ...this.verifiers.filter(({ isFriend }) => isFriend).map(({ party }) => party.address)
    ])
    this.ombudsman = new Ombudsman(this.friends)
    this.network = new SimNetwork(
      scenario.parameters,
      round => seedOfName(`beacon ${scenario.name}/${round}`),
      (event: LedgerEvent) => this.ombudsman.see(this.network.state, event)
    )
  }

  get state() {
    return this.network.state
  }

  /** Deals that the open round challenges. */
  challenged(): { readonly business: Business; readonly challenges: readonly PieceChallenge[] }[] {
    const { open } = this.state
    if (open === undefined) return []
    return this.businesses.flatMap(business => {
      const challenges = openChallengesOf(open, business.deal)
      const runs = business.deal.status === 'active' || business.deal.status === 'ending'
      return challenges === undefined || !runs ? [] : [{ business, challenges }]
    })
  }

  mustOpen({ deal }: Business): boolean {
    const { open, parameters } = this.state
    return mustBeOpened(open!.seed, frozenDealOf(deal, open!.opening), parameters.proving.openingOneIn)
  }

  assignedTo(verifier: Party): number[] {
    const { open } = this.state
    return open === undefined ? [] : dealsAssignedTo(assignmentOf(this.state, open), verifier.address)
  }

  businessOf(dealId: number): Business {
    return this.businesses.find(({ deal }) => deal.id === dealId)!
  }

  /** Whether the provider of a deal still has all of these leaves. */
  has({ lost, deal }: Business, challenges: readonly PieceChallenge[]): boolean {
    if (lost.size === 0) return true
    const cidOf = (pieceId: number) => deal.pieces.find(({ id }) => id === pieceId)!.cid.toString()
    return challenges.every(({ pieceId, leafIndices }) =>
      leafIndices.every(leaf => !lost.has(`${cidOf(pieceId)}/${leaf}`))
    )
  }

  /** Drops a share of the leaves of all pieces that a deal could have. */
  drop({ lost }: Business, permille: number): void {
    const chance = chanceOf(`lost ${this.scenario.name}`)
    for (const { cid, rawSize } of PIECES)
      for (let leaf = 0; leaf * 32 < rawSize; leaf += 1) if (chance.below(1000) < permille) lost.add(`${cid}/${leaf}`)
  }
}
