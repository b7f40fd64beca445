/**
 * What the beacon draws, worked out from the model's own lists by the functions that every peer runs; and what must be true
 * of it whatever the draw.
 */
import { sumLeafCounts } from '@holdfast/proofs'
import { seedOf } from '../../../src/beacon/beacon.ts'
import type { NetworkParameters } from '../../../src/network.ts'
import { assignVerifiers, verifiersOfDeal } from '../../../src/rounds/assignment.ts'
import { challengesOf } from '../../../src/rounds/challenge.ts'
import { mustBeOpened } from '../../../src/rounds/opening.ts'
import type { Address } from '../../../src/schema.ts'
import type { ChallengedFacts, Chance, DrawnFacts, FrozenPlaces } from './simple/facts.ts'

/** @param signatureOfRound - of the network's round, not of the beacon's */
export function createChance({ proving }: NetworkParameters, signatureOfRound: (round: number) => Uint8Array): Chance {
  const { verifiersPerDeal, openingOneIn } = proving
  return (round, verifiers, deals) => {
    const seed = seedOf(signatureOfRound(round))
    const assignment = assignVerifiers({
      seed,
      verifiers,
      dealIds: deals.map(({ dealId }) => dealId),
      partiesOf: dealId => deals.find(one => one.dealId === dealId)!,
      verifiersPerDeal
    })
    return deals.map(deal => {
      const { dealId, leavesPerRound, pieces } = deal
      const leafCounts = pieces.map(({ leafCount }) => leafCount)
      const challenges = challengesOf(seed, {
        dealId,
        leavesPerRound,
        pieceIds: pieces.map(({ id }) => id),
        sums: sumLeafCounts(leafCounts),
        leafCount: leafCounts.reduce((sum, count) => sum + count, 0)
      })
      const drawn: DrawnFacts = {
        dealId,
        verifiers: verifiersOfDeal(assignment, dealId),
        mustOpen: mustBeOpened(seed, { dealId, mustOpen: false }, openingOneIn),
        leaves: challenges.flatMap(({ pieceId, leafIndices }) => leafIndices.map(leafIndex => ({ pieceId, leafIndex })))
      }
      checkDrawn(deal, drawn, verifiers, verifiersPerDeal)
      return drawn
    })
  }
}

/** §8: distinct operators, no party among them or behind them, all or none, leaves that are there. */
function checkDrawn(
  { client, provider, operator, pieces, leavesPerRound }: ChallengedFacts,
  { dealId, verifiers, leaves }: DrawnFacts,
  ready: readonly FrozenPlaces[],
  verifiersPerDeal: number
): void {
  const operatorOf = (address: Address) => ready.find(one => one.address === address)?.operator
  const parties = [client, provider, operator].flatMap(party => [party, operatorOf(party)])
  const eligible = new Set(ready.map(one => one.operator).filter(one => !parties.includes(one)))
  const operators = new Set(verifiers.map(operatorOf))
  const expected = eligible.size < verifiersPerDeal ? 0 : verifiersPerDeal
  if (verifiers.length !== expected || operators.size !== expected)
    throw new Error(
      `deal ${dealId} has verifiers ${verifiers.join()} of ${operators.size} operators, and ${eligible.size} are eligible`
    )
  if ([...operators].some(one => one === undefined || !eligible.has(one)))
    throw new Error(`a party checks deal ${dealId}`)
  const isThere = ({ pieceId, leafIndex }: { pieceId: number; leafIndex: number }) =>
    leafIndex < (pieces.find(({ id }) => id === pieceId)?.leafCount ?? 0)
  if (leaves.length < 1 || leaves.length > leavesPerRound || !leaves.every(isThere))
    throw new Error(`deal ${dealId} is asked for leaves that it has not`)
}
