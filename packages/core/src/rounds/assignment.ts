/**
 * Who checks whom: a pure function of the seed and of what is frozen, so that every peer works it out alone.
 *
 * All places go through one shuffle, and the deal of rank k begins at place (k · v) mod P: where a deal's verifiers stand
 * depends on no other deal. From there it takes the first place of each of the next v distinct operators, passing over
 * those that are, or run, a party of the deal. Kept in typed arrays: a round has 100,000 deals and more.
 */
import type { Address } from '../schema.ts'
import { createDraw, shuffle } from './draw.ts'
import type { FrozenVerifier } from './freeze.ts'

/** Who must not check a deal. */
export interface Parties {
  readonly client: Address
  readonly provider: Address
  /** Whose machine the provider is. */
  readonly operator: Address
}

export interface AssignmentOptions {
  /** 32 bytes of the round. */
  readonly seed: Uint8Array
  /** By ascending address. */
  readonly verifiers: readonly FrozenVerifier[]
  /** The challenged deals, ascending. */
  readonly dealIds: readonly number[]
  readonly partiesOf: (dealId: number) => Parties
  readonly verifiersPerDeal: number
}

export interface Assignment {
  readonly verifiersPerDeal: number
  readonly dealIds: readonly number[]
  readonly verifiers: readonly Address[]
  readonly indexOfVerifier: ReadonlyMap<Address, number>
  /** For each deal by rank `verifiersPerDeal` indices of verifiers in the order of their places; all `NOBODY` or none. */
  readonly slots: Int32Array
  /** For each slot the position of the deal among those of the verifier. */
  readonly positions: Int32Array
  /** The ranks of the deals of verifier i, ascending, are `ranks[offsets[i] … offsets[i + 1]]`. */
  readonly offsets: Int32Array
  readonly ranks: Int32Array
}

const NOBODY = -1
/** A deal passes over at most so many operators: its three parties, and those who run them. */
const PARTIES = 6

export function assignVerifiers(options: AssignmentOptions): Assignment {
  const { verifiers, dealIds, verifiersPerDeal } = options
  const slots = fillSlots(options)
  const offsets = new Int32Array(verifiers.length + 1)
  for (let slot = 0; slot < slots.length; slot += 1) if (slots[slot] !== NOBODY) offsets[slots[slot]! + 1]! += 1
  for (let index = 0; index < verifiers.length; index += 1) offsets[index + 1]! += offsets[index]!
  const ranks = new Int32Array(offsets[verifiers.length]!)
  const positions = new Int32Array(slots.length)
  const filled = new Int32Array(verifiers.length)
  for (let rank = 0, slot = 0; rank < dealIds.length; rank += 1) {
    for (const end = slot + verifiersPerDeal; slot < end; slot += 1) {
      const verifier = slots[slot]!
      if (verifier === NOBODY) continue
      const position = filled[verifier]!
      filled[verifier] = position + 1
      positions[slot] = position
      ranks[offsets[verifier]! + position] = rank
    }
  }
  return {
    verifiersPerDeal,
    dealIds,
    verifiers: verifiers.map(({ address }) => address),
    indexOfVerifier: new Map(verifiers.map(({ address }, index) => [address, index])),
    slots,
    positions,
    offsets,
    ranks
  }
}

function fillSlots({ seed, verifiers, dealIds, partiesOf, verifiersPerDeal }: AssignmentOptions): Int32Array {
  const slots = new Int32Array(dealIds.length * verifiersPerDeal).fill(NOBODY)
  const operators = new Map<Address, number>()
  for (const { operator } of verifiers) if (!operators.has(operator)) operators.set(operator, operators.size)
  if (operators.size < verifiersPerDeal) return slots
  const operatorOf = Int32Array.from(verifiers, ({ operator }) => operators.get(operator)!)
  /** The operators that an address is, and that run it. */
  const behind = new Map<Address, readonly number[]>()
  for (const [operator, index] of operators) behind.set(operator, [index])
  for (const [index, { address }] of verifiers.entries())
    behind.set(address, [...(behind.get(address) ?? []), operatorOf[index]!])
  const places = shufflePlaces(seed, verifiers)
  const width = Math.min(operators.size, verifiersPerDeal + PARTIES)
  const next = nextOfDistinctOperators(places, operatorOf, width)
  for (let rank = 0; rank < dealIds.length; rank += 1) {
    const { client, provider, operator } = partiesOf(dealIds[rank]!)
    const first = rank * verifiersPerDeal
    const row = (first % places.length) * width
    const its = behind.get(client)
    const others = behind.get(provider)
    const third = operator === provider ? undefined : behind.get(operator)
    if (its === undefined && others === undefined && third === undefined) {
      for (let slot = 0; slot < verifiersPerDeal; slot += 1) slots[first + slot] = next[row + slot]!
      continue
    }
    const parties = [its, others, third].flatMap(one => one ?? [])
    const chosen = next.subarray(row, row + width).filter(one => !parties.includes(operatorOf[one]!))
    if (chosen.length >= verifiersPerDeal) slots.set(chosen.subarray(0, verifiersPerDeal), first)
  }
  return slots
}

/** Indices of verifiers, one a place, shuffled. */
function shufflePlaces(seed: Uint8Array, verifiers: readonly FrozenVerifier[]): Int32Array {
  const places = new Int32Array(verifiers.reduce((sum, { places: count }) => sum + count, 0))
  let filled = 0
  for (const [index, { places: count }] of verifiers.entries()) {
    places.fill(index, filled, filled + count)
    filled += count
  }
  shuffle(places, createDraw(seed, 'holdfast/places'))
  return places
}

/**
 * For every place the first places, from it on and round the end, of `width` distinct operators: what any deal that begins
 * there can take. Worked out backwards, each from the one after it, so that no deal walks over a rich operator's places.
 *
 * @returns `width` verifiers a place
 */
function nextOfDistinctOperators(places: Int32Array, operatorOf: Int32Array, width: number): Int32Array {
  const next = new Int32Array(places.length * width)
  const row = new Int32Array(width)
  let known = 0
  // Twice round: after the first time the row of the first place is complete, and so is every row before it.
  for (let step = 2 * places.length - 1; step >= 0; step -= 1) {
    const place = step % places.length
    const verifier = places[place]!
    let same = 0
    while (same < known && operatorOf[row[same]!] !== operatorOf[verifier]) same += 1
    if (same === known && known < width) known += 1
    row.copyWithin(1, 0, Math.min(same, width - 1))
    row[0] = verifier
    if (step < places.length) next.set(row, place * width)
  }
  return next
}

/** The place of a deal among the challenged ones; -1 for one that is not challenged. */
export function rankOf(dealIds: readonly number[], dealId: number): number {
  let low = 0
  let high = dealIds.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const found = dealIds[middle]!
    if (found === dealId) return middle
    if (found < dealId) low = middle + 1
    else high = middle - 1
  }
  return -1
}

/** The verifiers of a deal in the order of their places; none for a deal without enough of them, which needs a self-proof. */
export function verifiersOfDeal(assignment: Assignment, dealId: number): Address[] {
  const { verifiersPerDeal, slots, verifiers } = assignment
  const rank = rankOf(assignment.dealIds, dealId)
  if (rank === -1 || slots[rank * verifiersPerDeal] === NOBODY) return []
  return Array.from(
    slots.subarray(rank * verifiersPerDeal, (rank + 1) * verifiersPerDeal),
    verifier => verifiers[verifier]!
  )
}

/** The deals that a verifier checks, ascending: the order of the verdicts in its attestation. */
export function dealsAssignedTo({ dealIds, ranks, ...assignment }: Assignment, verifier: Address): number[] {
  const { from, to } = spanOf(assignment, verifier)
  return Array.from(ranks.subarray(from, to), rank => dealIds[rank]!)
}

/** How many deals a verifier checks. */
export function countAssignedTo(assignment: Assignment, verifier: Address): number {
  const { from, to } = spanOf(assignment, verifier)
  return to - from
}

function spanOf({ indexOfVerifier, offsets }: Pick<Assignment, 'indexOfVerifier' | 'offsets'>, verifier: Address) {
  const index = indexOfVerifier.get(verifier)
  return index === undefined ? { from: 0, to: 0 } : { from: offsets[index]!, to: offsets[index + 1]! }
}

/** Where a deal stands among those that a verifier checks, and so its verdict; -1 when it does not check it. */
export function positionOf(assignment: Assignment, verifier: Address, dealId: number): number {
  const { verifiersPerDeal, slots, positions, indexOfVerifier } = assignment
  const rank = rankOf(assignment.dealIds, dealId)
  const index = indexOfVerifier.get(verifier)
  if (rank === -1 || index === undefined) return -1
  const slot = slots.subarray(rank * verifiersPerDeal, (rank + 1) * verifiersPerDeal).indexOf(index)
  return slot === -1 ? -1 : positions[rank * verifiersPerDeal + slot]!
}
