/**
 * Plays a scenario to its very end: until every deal is over, every budget used or burned, and every stake released. What
 * an account has then is what it got out of it.
 */
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { isPresent } from '../../src/ledger/piece-rules.ts'
import { pricePerRound, quoteDeal } from '../../src/ledger/price.ts'
import { audit, end, openBusiness, setAsk, trade } from './clients.ts'
import { partyOf } from './parties.ts'
import { proveToLedger, pushProofs } from './providers.ts'
import { PROVIDER_NAMES, type Scenario, type Strategy } from './scenario.ts'
import { LEAVES_PER_PIECE } from './sim-network.ts'
import { answerDemands, attest } from './verifiers.ts'
import { World } from './world.ts'

/** Rounds after which even the longest notice, repair and dispute of a scenario is over. */
const ROUNDS_MAX = 120

export interface Played {
  readonly world: World
  /** What all conspirators together have more at the end than at the beginning, in atto. */
  readonly payoff: bigint
  /** Whole rounds at the main deal's first price that its client's proved rounds come to. */
  readonly proved: number
  readonly complaints: readonly string[]
}

export interface PlayOptions {
  /** Who deals only with itself stops storing after so many proved rounds. */
  readonly stopAfter?: number
}

export async function play(scenario: Scenario, strategy: Strategy, { stopAfter }: PlayOptions = {}): Promise<Played> {
  const world = begin(scenario, strategy)
  const { network, state } = world
  const before = sumOfFriends(world)
  stake(world)
  // First, so that what becomes of the main deal moves no verifier of this one.
  openBusiness(world, partyOf('other client'), partyOf('other provider'), 1)
  openBusiness(
    world,
    partyOf('client'),
    partyOf(scenario.friends.provider ? 'provider' : 'other provider'),
    scenario.pieces
  )
  while (network.round < scenario.rounds) {
    if (state.openings === stopAfter) stopStoring(world)
    await playRound(world)
  }
  const main = world.businesses[1]!
  for (const business of world.businesses) {
    const goesOn = business === main && stopAfter !== undefined && state.openings <= stopAfter
    if (business.deal.status === 'active' && !goesOn) end(world, business, business.client)
  }
  while (state.liveDeals.size > 0) {
    if (state.openings === stopAfter) stopStoring(world)
    if (main.deal.status === 'active' && main.deal.leafCount === 0) end(world, main, main.client)
    await playRound(world)
  }
  unstake(world)
  while (hasStakes(world)) await playRound(world)
  const { complaints } = world.ombudsman
  complaints.push(...checkInvariants(state).map(({ invariant, violation }) => `${invariant}: ${violation}`))
  complaints.push(...overcharged(world))
  return { world, payoff: sumOfFriends(world) - before, proved: provedRounds(world), complaints }
}

/** A client that removes half of its pieces buys half rounds from then on. */
function provedRounds({ businesses, ombudsman, scenario }: World): number {
  const deals = businesses.filter(({ client }) => client.name === 'client').map(({ deal }) => deal)
  const { parameters, pricePerLeafRound, pieces } = scenario
  const price = pricePerRound(parameters.money, pricePerLeafRound, pieces * LEAVES_PER_PIECE)
  if (price === 0n) return deals.reduce((sum, { rounds }) => sum + rounds.proved, 0)
  return Number(deals.reduce((sum, { id }) => sum + (ombudsman.proved.get(id) ?? 0n), 0n) / price)
}

function begin(scenario: Scenario, strategy: Strategy): World {
  const world = new World(scenario, strategy)
  const honest = world.verifiers.find(({ isFriend }) => !isFriend)
  for (const name of PROVIDER_NAMES) {
    const provider = partyOf(name)
    const borrows = strategy.borrowsOperator && name !== 'other provider' && honest !== undefined
    setAsk(world, provider, borrows ? honest.party : provider)
  }
  return world
}

function stake({ network, scenario }: World): void {
  for (const { name, places } of scenario.verifiers) {
    const verifier = partyOf(name)
    network.take(
      network.command('VerifierStake', verifier, {
        verifier: verifier.address,
        operator: verifier.address,
        amount: network.parameters.money.stakeUnit * BigInt(places),
        addresses: []
      })
    )
  }
}

function unstake({ network, state, scenario }: World): void {
  for (const { name } of scenario.verifiers) {
    const verifier = partyOf(name)
    const amount = state.verifiers.get(verifier.address)?.stake ?? 0n
    if (amount > 0n) network.take(network.command('Unstake', verifier, { verifier: verifier.address, amount }))
  }
}

function hasStakes({ state }: World): boolean {
  return [...state.verifiers.values()].some(({ stake, leaving }) => stake > 0n || leaving.length > 0)
}

/** The client of the main deal has no more to store. */
function stopStoring(world: World): void {
  const { deal, client } = world.businesses[1]!
  const pieceIds = deal.pieces.filter(isPresent).map(({ id }) => id)
  if (deal.status !== 'active' || pieceIds.length === 0) return
  const { network } = world
  network.take(network.command('RemovePieces', client, { client: client.address, dealId: deal.id, pieceIds }))
}

async function playRound(world: World): Promise<void> {
  const { network } = world
  if (network.round > ROUNDS_MAX) throw new Error(`${world.scenario.name} does not come to an end`)
  const pushed = new Map(world.pushes)
  trade(world)
  network.openRound()
  audit(world, pushed)
  answerDemands(world)
  await pushProofs(world)
  // Some conspirators wait until everybody else has acted.
  const late = world.verifiers.filter(({ isFriend }) => isFriend && world.chance.oneIn(2))
  for (const verifier of world.verifiers) if (!late.includes(verifier)) attest(world, verifier.party, verifier.isFriend)
  await proveToLedger(world)
  for (const { party, isFriend } of late) attest(world, party, isFriend)
}

function sumOfFriends({ friends, network }: World): bigint {
  return [...friends].reduce((sum, address) => sum + network.freeOf(address), 0n)
}

/** Honest clients never pay more than what they were quoted: the price of the rounds that were challenged. */
function overcharged({ businesses, network, scenario }: World): string[] {
  const { money } = network.parameters
  return businesses.flatMap(({ deal, client, isClientFriend }) => {
    // A deal that was taken over costs its client nothing: its money was its predecessor's collateral.
    if (isClientFriend || businesses.some(one => one.deal.successor === deal.id)) return []
    const { funded, refunded } = deal.totals
    const pieces = client.name === 'client' ? scenario.pieces : 1
    const rounds = deal.rounds.proved + deal.rounds.faulted
    const { pricePerRound } = quoteDeal(money, deal.pricePerLeafRound, pieces * LEAVES_PER_PIECE, 1)
    const most = pricePerRound * BigInt(rounds)
    return funded - refunded > most ? [`deal ${deal.id} cost ${funded - refunded}, quoted ${most}`] : []
  })
}
