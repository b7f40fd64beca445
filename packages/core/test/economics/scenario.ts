/**
 * What a play is about: a network, who of it conspires, and what the conspirators do.
 *
 * A scenario follows from its number, so that a failure is repeated by naming it. The same scenario is played twice, once
 * with the strategy and once with everybody honest, under the same beacon.
 */

import { z } from 'zod'
import { type NetworkParameters, networkParametersSchema } from '../../src/network.ts'
import { parametersWith } from '../ledger/network-fixture.ts'
import { type Chance, chanceOf } from './chance.ts'
import { partyOf } from './parties.ts'

export interface VerifierPlan {
  readonly name: string
  readonly places: number
  readonly isFriend: boolean
}

export interface Scenario {
  readonly name: string
  readonly parameters: NetworkParameters
  readonly verifiers: readonly VerifierPlan[]
  /** Who of the main deal conspires. */
  readonly friends: { readonly client: boolean; readonly provider: boolean }
  readonly pieces: number
  readonly leavesPerRound: number
  readonly pricePerLeafRound: bigint
  /** Whether a client whose deal failed demands the transcripts of all who passed it. */
  readonly audits: boolean
  /** Rounds that are opened before everybody ends what still runs. */
  readonly rounds: number
}

export interface Strategy {
  readonly name: string
  /** Thousandths of the leaves that the provider drops. */
  readonly lostPermille: number
  /** The opening in which it drops them; 0: never had them. */
  readonly dropsIn: number
  /** Whom the provider sends its proofs. */
  readonly pushesTo: 'all' | 'friends' | 'nobody'
  /** Sends a bad proof to outsiders where it has none. */
  readonly pushesGarbage: boolean
  /** Whether it proves to the ledger: always where it can, only what is due on its docket, or never. */
  readonly proves: 'always' | 'what is due' | 'never'
  /** Gives notice as soon as it drops. */
  readonly givesNotice: boolean
  /** A fresh account takes the role again once the deal has failed. */
  readonly comesBack: boolean
  /** Names an honest verifier as the operator of its machine. */
  readonly borrowsOperator: boolean
  /** A friend takes the failed deal over. */
  readonly takesOver: boolean
  readonly verifiers: 'honest' | 'yes' | 'friends' | 'no' | 'alarm' | 'copy' | 'silent'
  /** Friends refute friends, for the refuter's share. */
  readonly refutesFriends: boolean
  readonly client:
    | 'honest'
    | 'remove after fault'
    | 'demand openings'
    | 'demand transcripts'
    | 'add late'
    | 'add late and remove'
}

export const HONEST: Strategy = {
  name: 'honest',
  lostPermille: 0,
  dropsIn: 0,
  pushesTo: 'all',
  pushesGarbage: false,
  proves: 'always',
  givesNotice: false,
  comesBack: false,
  borrowsOperator: false,
  takesOver: false,
  verifiers: 'honest',
  refutesFriends: false,
  client: 'honest'
}

const ALL_BUT_HONEST = { pushesTo: 'friends', verifiers: 'friends' } as const

/** The strategies that everybody thinks of first, one a row of the table. */
export const STRATEGIES: readonly Strategy[] = [
  { ...HONEST, name: 'drop a tenth', ...ALL_BUT_HONEST, lostPermille: 100, dropsIn: 4 },
  { ...HONEST, name: 'drop all', ...ALL_BUT_HONEST, lostPermille: 1000, dropsIn: 6 },
  { ...HONEST, name: 'never store', ...ALL_BUT_HONEST, lostPermille: 1000 },
  {
    ...HONEST,
    name: 'never store, bad proofs to outsiders',
    ...ALL_BUT_HONEST,
    lostPermille: 1000,
    pushesGarbage: true
  },
  { ...HONEST, name: 'refuse to open', proves: 'never', verifiers: 'friends' },
  {
    ...HONEST,
    name: 'clear the docket when it is due',
    ...ALL_BUT_HONEST,
    lostPermille: 250,
    dropsIn: 6,
    proves: 'what is due'
  },
  { ...HONEST, name: 'drop and give notice', ...ALL_BUT_HONEST, lostPermille: 1000, dropsIn: 7, givesNotice: true },
  {
    ...HONEST,
    name: 'drop, give notice, clear what is due',
    ...ALL_BUT_HONEST,
    lostPermille: 250,
    dropsIn: 7,
    givesNotice: true,
    proves: 'what is due'
  },
  { ...HONEST, name: 'new key after a forfeit', ...ALL_BUT_HONEST, lostPermille: 1000, comesBack: true },
  { ...HONEST, name: 'a friend takes over', ...ALL_BUT_HONEST, lostPermille: 1000, dropsIn: 9, takesOver: true },
  { ...HONEST, name: 'borrowed operator', ...ALL_BUT_HONEST, lostPermille: 1000, dropsIn: 4, borrowsOperator: true },
  { ...HONEST, name: 'proofs to nobody but the ledger', pushesTo: 'nobody' },
  { ...HONEST, name: 'proofs to friends and the ledger', pushesTo: 'friends' },
  { ...HONEST, name: 'blind yes', verifiers: 'yes' },
  { ...HONEST, name: 'always no', verifiers: 'no' },
  { ...HONEST, name: 'false alarms', verifiers: 'alarm' },
  { ...HONEST, name: 'copies', verifiers: 'copy' },
  { ...HONEST, name: 'silence', verifiers: 'silent' },
  { ...HONEST, name: 'refute a friend', verifiers: 'yes', pushesTo: 'nobody', refutesFriends: true },
  {
    ...HONEST,
    name: 'remove after a fault',
    ...ALL_BUT_HONEST,
    lostPermille: 500,
    dropsIn: 4,
    client: 'remove after fault'
  },
  { ...HONEST, name: 'demand openings', client: 'demand openings' },
  { ...HONEST, name: 'demand transcripts', client: 'demand transcripts' },
  { ...HONEST, name: 'add late', ...ALL_BUT_HONEST, lostPermille: 500, dropsIn: 4, client: 'add late' },
  {
    ...HONEST,
    name: 'add late and remove',
    ...ALL_BUT_HONEST,
    lostPermille: 500,
    dropsIn: 4,
    client: 'add late and remove'
  }
]

/** Any combination of conduct, whether or not it makes sense. */
export function anyStrategy(chance: Chance): Strategy {
  const flag = () => chance.oneIn(3)
  return {
    name: 'any mixture',
    lostPermille: chance.pick([0, 0, 50, 100, 250, 500, 1000]),
    dropsIn: chance.between(0, 12),
    pushesTo: chance.pick(['all', 'friends', 'friends', 'nobody']),
    pushesGarbage: flag(),
    proves: chance.pick(['always', 'always', 'what is due', 'never']),
    givesNotice: flag(),
    comesBack: flag(),
    borrowsOperator: flag(),
    takesOver: flag(),
    verifiers: chance.pick(['honest', 'yes', 'friends', 'friends', 'no', 'alarm', 'copy', 'silent']),
    refutesFriends: flag(),
    client: chance.pick([
      'honest',
      'honest',
      'remove after fault',
      'demand openings',
      'demand transcripts',
      'add late',
      'add late and remove'
    ])
  }
}

const PPM = 1_000_000
const BALANCE = 100_000_000n
/** Accounts that a simulation knows at most: all of them are there from the beginning. */
export const FRESH_KEYS = 3

export const CLIENT_NAMES = ['client', 'other client'] as const
export const PROVIDER_NAMES = [
  'provider',
  'other provider',
  'taker',
  ...Array.from({ length: FRESH_KEYS }, (_, key) => `fresh key ${key}`)
] as const

/** Any parameters that a network may have, with terms of a few rounds. */
export function anyParameters(
  chance: Chance,
  verifiers: number,
  changes: { readonly openingOneInMax?: number } = {}
): NetworkParameters {
  const openingOneIn = chance.between(1, changes.openingOneInMax ?? 6)
  const cureRounds = chance.between(1, 3)
  const leavesPerRoundMax = 16
  const noticeRounds = cureRounds + chance.between(1, 3)
  const repairRewardPpm = chance.between(0, PPM / 2)
  const collateralRounds =
    Math.ceil(((openingOneIn + noticeRounds + 1) * PPM) / (PPM - repairRewardPpm)) + openingOneIn + chance.between(0, 4)
  const stakeUnit = chance.pick([25_000n, 1_000_000n])
  const parameters = parametersWith({
    accounts: [...CLIENT_NAMES, ...PROVIDER_NAMES, ...verifierNames(verifiers)].map(name => ({
      address: partyOf(name).address,
      amount: BALANCE
    })),
    proving: {
      verifiersPerDeal: 3,
      quorum: 2,
      openingOneIn,
      cureRounds,
      docketLeavesMax: cureRounds * leavesPerRoundMax,
      disputeRounds: chance.between(1, 4),
      answerRounds: chance.between(1, 3),
      leavesPerRoundMax
    },
    money: {
      pricePerRoundMin: BigInt(chance.pick([0, 7, 1000, 20_000])),
      verifierFeePpm: chance.pick([0, 1, 60_000, 300_000, 500_000]),
      noticeRounds,
      collateralRounds,
      earnInPpm: chance.pick([PPM / 2, 700_003, PPM]),
      uncollateralisedBytesMax: 1_000_000,
      repairRounds: chance.between(1, 6),
      stakeUnit,
      openingBond: BigInt(chance.pick([0, 1, 5_000])),
      transcriptBond: BigInt(chance.pick([0, 1, 5_000])),
      silencePenalty: chance.pick([0n, 1n, 10_000n, stakeUnit]),
      refuterPpm: chance.pick([0, 250_000, PPM / 2]),
      repairRewardPpm
    }
  })
  return networkParametersSchema.decode(z.encode(networkParametersSchema, parameters))
}

function verifierNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `verifier ${index}`)
}

/** @param name - all that the scenario follows from */
export function scenarioOf(name: string): Scenario {
  const chance = chanceOf(`scenario ${name}`)
  const count = chance.between(3, 6)
  const friends = chance.between(0, count)
  const verifiers = verifierNames(count).map((verifier, index) => ({
    name: verifier,
    places: chance.pick([1, 1, 2, 5]),
    isFriend: index < friends
  }))
  return {
    name,
    parameters: anyParameters(chance, count),
    verifiers,
    friends: chance.pick([
      { client: false, provider: true },
      { client: false, provider: true },
      { client: true, provider: true },
      { client: true, provider: false },
      { client: false, provider: false }
    ]),
    pieces: chance.between(1, 4),
    leavesPerRound: chance.between(1, 8),
    pricePerLeafRound: BigInt(chance.pick([0, 1, 101, 997])),
    audits: chance.oneIn(2),
    rounds: chance.between(8, 24)
  }
}
