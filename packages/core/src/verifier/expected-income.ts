/**
 * What a verifier can expect to earn, and what it costs and risks, before it stakes: pure figures from the ledger as it stands.
 *
 * All places are shuffled and a deal takes the first places of the next v operators, so the order in which operators come
 * is that of clocks which ring after exponential times, at rates of their places. The chance of being one of the first v
 * is then one integral, taken here to nine digits; nothing is simulated. The figures are for honest work in a network
 * that stays as it is: every deal answers, and no round is void.
 */

import { feePerVerifier, priceOfOpening, unitsIn } from '../ledger/price.ts'
import type { Deal, LedgerState } from '../ledger/state.ts'
import { isDealChallenged, isPieceChallenged } from '../rounds/boundaries.ts'
import type { Address } from '../schema.ts'

/** The stake of a verifier as it would be, in atto. */
export interface PlannedStake {
  readonly verifier: Address
  /** Whose machine it is; the verifier itself when nobody says otherwise. */
  readonly operator?: Address
  /** All of it, what is staked already included. */
  readonly stake: bigint
}

/** What one assigned deal asks of a verifier in one round, on average over the deals that it can be assigned. */
export interface CostOfDeal {
  readonly leaves: number
  /** Proof as it comes over the wire, at most. */
  readonly proofBytes: number
  /** Pairs of nodes that are hashed to check it, at most; one signature is recovered beside them. */
  readonly nodeHashes: number
}

export interface ExpectedIncome {
  /** One for each whole stake unit. */
  readonly places: number
  /** Of all verifiers, these included. */
  readonly placesOfAll: number
  /** Distinct operators with a place, this one included; below `verifiersPerDeal` nobody is assigned anything. */
  readonly operators: number
  readonly verifiersPerDeal: number
  /** Deals that an opening challenges. */
  readonly deals: number
  /** How many of them are this verifier's in a round, on average. */
  readonly dealsAssigned: number
  /** Fees of a round, in atto, on average. */
  readonly perRound: bigint
  /** Fee of one assigned deal in a round, in atto, on average. */
  readonly perDeal: bigint
  readonly cost: CostOfDeal
  readonly risk: {
    /** Lost for each round in which something was assigned and nothing attested, in atto. */
    readonly silence: bigint
    /** Lost for each verdict that its transcript does not bear out, in atto. */
    readonly refutation: bigint
    /** Openings from taking the stake back to having it, at least. */
    readonly openingsToRelease: number
  }
}

/** Fixed parts of an item on the wire: number, digest, signature, names of fields. */
const ITEM_SIZE_BYTES = 256
/** A multi-proof names each leaf and holds it beside its siblings. */
const LEAF_NUMBER_SIZE_BYTES = 9
const NODE_SIZE_BYTES = 32
/** The smallest tree has four leaves. */
const HEIGHT_MIN = 2

/** Chances are counted in so many parts where they meet amounts. */
const PARTS = 10 ** 15

/** What the opening after next brings to a verifier with such a stake, if deals and stakes stay as they are. */
export function expectIncome(state: LedgerState, planned: PlannedStake): ExpectedIncome {
  const { money, proving } = state.parameters
  const { verifiersPerDeal } = proving
  const own = { address: planned.verifier, operator: planned.operator ?? planned.verifier }
  const places = unitsIn(planned.stake, money.stakeUnit)
  const others = [...state.verifiers]
    .filter(([address]) => address !== own.address)
    .map(([address, { operator, stake }]) => ({ address, operator, places: unitsIn(stake, money.stakeUnit) }))
  const field = [...others, { ...own, places }].filter(one => one.places > 0)
  const chances = createChances(field, own, verifiersPerDeal)
  const opening = state.openings + 2
  let deals = 0
  let assigned = 0
  let perRound = 0n
  const sums = { leaves: 0, proofBytes: 0, nodeHashes: 0 }
  for (const id of state.liveDeals) {
    const deal = state.deals.get(id)!
    if (!isDealChallenged(deal, opening, state.round + 2)) continue
    deals += 1
    const chance = chances(deal)
    if (chance === 0) continue
    assigned += chance
    const fee = feePerVerifier(money, priceOfOpening(money, deal, opening), verifiersPerDeal)
    perRound += fee * BigInt(Math.round(chance * PARTS))
    const cost = costOf(deal, opening)
    sums.leaves += chance * cost.leaves
    sums.proofBytes += chance * cost.proofBytes
    sums.nodeHashes += chance * cost.nodeHashes
  }
  const mean = (sum: number) => (assigned === 0 ? 0 : Math.ceil(sum / assigned))
  const assignedParts = BigInt(Math.round(assigned * PARTS))
  return {
    places,
    placesOfAll: field.reduce((sum, one) => sum + one.places, 0),
    operators: new Set(field.map(({ operator }) => operator)).size,
    verifiersPerDeal,
    deals,
    dealsAssigned: assigned,
    perRound: perRound / BigInt(PARTS),
    perDeal: assignedParts === 0n ? 0n : perRound / assignedParts,
    cost: { leaves: mean(sums.leaves), proofBytes: mean(sums.proofBytes), nodeHashes: mean(sums.nodeHashes) },
    risk: {
      silence: money.silencePenalty,
      refutation: money.stakeUnit,
      openingsToRelease: proving.disputeRounds + proving.answerRounds + 2
    }
  }
}

function costOf(deal: Deal, opening: number): CostOfDeal {
  const pieces = deal.pieces.filter(piece => isPieceChallenged(piece, opening))
  const leafCount = pieces.reduce((sum, piece) => sum + piece.leafCount, 0)
  const height = pieces.reduce((sum, piece) => sum + piece.leafCount * heightOf(piece.leafCount), 0) / leafCount
  const leaves = Math.min(deal.leavesPerRound, leafCount)
  return {
    leaves,
    proofBytes: ITEM_SIZE_BYTES + leaves * (LEAF_NUMBER_SIZE_BYTES + NODE_SIZE_BYTES * (1 + height)),
    nodeHashes: leaves * height
  }
}

function heightOf(leafCount: number): number {
  return Math.max(HEIGHT_MIN, Math.ceil(Math.log2(leafCount)))
}

interface Places {
  readonly address: Address
  readonly operator: Address
  readonly places: number
}

/** @returns the chance that a deal is assigned to the verifier; operators that are a party of it are passed over */
function createChances(
  field: readonly Places[],
  own: Pick<Places, 'address' | 'operator'>,
  verifiersPerDeal: number
): (deal: Pick<Deal, 'client' | 'provider' | 'operator'>) => number {
  const placesOf = new Map<Address, number>()
  /** The operators that an address is, and that run it. */
  const behind = new Map<Address, Set<Address>>()
  for (const { address, operator, places } of field) {
    placesOf.set(operator, (placesOf.get(operator) ?? 0) + places)
    for (const one of [address, operator]) behind.set(one, (behind.get(one) ?? new Set()).add(operator))
  }
  const ownPlaces = field.find(({ address }) => address === own.address)?.places ?? 0
  const ofOperator = placesOf.get(own.operator) ?? 0
  const known = new Map<string, number>()
  return ({ client, provider, operator }) => {
    if (ownPlaces === 0 || placesOf.size < verifiersPerDeal) return 0
    const parties = new Set([client, provider, operator].flatMap(one => [...(behind.get(one) ?? [])]))
    if (parties.has(own.operator)) return 0
    const key = [...parties].sort().join()
    const chance =
      known.get(key) ??
      chanceOfBeingDrawn(
        ofOperator,
        [...placesOf].filter(([one]) => one !== own.operator && !parties.has(one)).map(([, places]) => places),
        verifiersPerDeal
      )
    known.set(key, chance)
    // Of an operator's places each is as likely as any other to come first.
    return (chance * ownPlaces) / ofOperator
  }
}

const STEP = 1 / 16
const REACH = 4

/**
 * The chance that an operator is among the first `count` distinct ones of a shuffle of all places; 0 when there are fewer.
 *
 * With u the chance that the operator's clock has not rung yet, this is the integral over u of the chance that fewer than
 * `count` others have. The substitution u = 1 / (1 + exp(π sinh x)) makes it one that even steps sum up to nine digits.
 */
export function chanceOfBeingDrawn(places: number, others: readonly number[], count: number): number {
  if (others.length + 1 < count || places === 0) return 0
  if (others.length < count) return 1
  let sum = 0
  for (let x = -REACH; x <= REACH; x += STEP) {
    const y = Math.PI * Math.sinh(x)
    // y is at most 86: its exponential is finite.
    const rings = Math.log1p(Math.exp(y)) / places
    const weight = (Math.PI * Math.cosh(x)) / ((1 + Math.exp(y)) * (1 + Math.exp(-y)))
    sum += weight * chanceOfFewer(others, rings, count)
  }
  return Math.min(1, sum * STEP)
}

/** The chance that fewer than `count` clocks of these rates have rung after a time. */
function chanceOfFewer(rates: readonly number[], time: number, count: number): number {
  const exactly = new Float64Array(count)
  exactly[0] = 1
  for (const rate of rates) {
    const rung = -Math.expm1(-rate * time)
    for (let index = count - 1; index > 0; index -= 1)
      exactly[index] = exactly[index]! * (1 - rung) + exactly[index - 1]! * rung
    exactly[0] = exactly[0]! * (1 - rung)
  }
  return exactly.reduce((sum, one) => sum + one, 0)
}
