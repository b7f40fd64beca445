/** Clients and the market: who opens deals with whom, what joins and leaves them, who takes over, who asks for evidence. */

import { isPresent } from '../../src/ledger/piece-rules.ts'
import { quoteDeal } from '../../src/ledger/price.ts'
import { verdictsOn } from '../../src/ledger/settle-deal.ts'
import type { Statement } from '../../src/ledger/statements.ts'
import { type Party, partyOf } from './parties.ts'
import { FRESH_KEYS } from './scenario.ts'
import { LEAVES_PER_PIECE, PIECES } from './sim-network.ts'
import { demandTranscript, refute } from './verifiers.ts'
import { type Business, LABEL, type World } from './world.ts'

function accept(world: World, provider: Party, kind: 'DealOrder' | 'PiecesOrder', order: Statement<typeof kind>) {
  const digest = world.network.digestOf(kind, order as Statement<'DealOrder'>)
  return provider.sign(world.network.digestOf('Acceptance', { provider: provider.address, order: digest }))
}

export function setAsk(world: World, provider: Party, operator: Party): void {
  const { network, scenario } = world
  network.take(
    network.command('Ask', provider, {
      provider: provider.address,
      operator: operator.address,
      addresses: [],
      region: 'eu',
      pricePerLeafRound: scenario.pricePerLeafRound,
      capacityBytes: 1_000_000
    })
  )
}

/** Opens a deal and has pieces join it, funded for as many rounds as the scenario has, notice included. */
export function openBusiness(world: World, client: Party, provider: Party, pieces: number): Business {
  const { network, scenario, state } = world
  const { client: isClientFriend, provider: isProviderFriend } = scenario.friends
  const order = {
    ...network.validity(),
    client: client.address,
    provider: provider.address,
    pricePerLeafRound: scenario.pricePerLeafRound,
    leavesPerRound: scenario.leavesPerRound,
    escrow: 0n
  }
  network.take(network.command('DealOrder', client, order, { acceptance: accept(world, provider, 'DealOrder', order) }))
  const deal = state.deals.get(state.nextDealId - 1)!
  const business: Business = {
    deal,
    client,
    provider,
    isClientFriend: client.name === 'client' && isClientFriend,
    isProviderFriend: provider.name !== 'other provider' && isProviderFriend,
    lost: new Set(),
    sinceOpening: state.openings
  }
  world.businesses.push(business)
  // Enough that no deal ends for want of money before its client ends it.
  addPieces(world, business, PIECES.slice(0, pieces), scenario.rounds + network.parameters.money.noticeRounds + 3)
  const reward = 1_000_000_000n
  network.take(
    network.command('TakeOverOrder', client, {
      client: client.address,
      dealId: deal.id,
      pricePerLeafRoundMax: scenario.pricePerLeafRound,
      reward,
      regions: []
    })
  )
  return business
}

export function addPieces(world: World, business: Business, pieces: typeof PIECES, rounds: number): string | undefined {
  const { network } = world
  const { money } = network.parameters
  const { deal, client, provider } = business
  const leafCount = deal.leafCount + pieces.length * LEAVES_PER_PIECE
  const { escrow } = quoteDeal(money, deal.pricePerLeafRound, leafCount, rounds + money.noticeRounds + 1)
  const order = {
    ...network.validity(),
    client: client.address,
    dealId: deal.id,
    pieces: pieces.map(({ cid }) => cid),
    labels: pieces.map(() => LABEL),
    deposit: escrow > deal.escrow ? escrow - deal.escrow : 0n
  }
  const acceptance = accept(world, provider, 'PiecesOrder', order)
  return network.submit(network.command('PiecesOrder', client, order, { acceptance }))
}

/** What is decided between two rounds: before the beacon of the next one is known. */
export function trade(world: World): void {
  const { strategy, state } = world
  for (const business of [...world.businesses]) {
    const { deal, isProviderFriend } = business
    const age = state.openings - business.sinceOpening
    if (isProviderFriend && age === strategy.dropsIn) {
      world.drop(business, strategy.lostPermille)
      if (strategy.givesNotice && deal.status === 'active') end(world, business, business.provider)
    }
    if (deal.status === 'failed') afterFailure(world, business)
    if (business.isClientFriend && deal.status === 'active') conspire(world, business)
  }
}

/** Gives notice. */
export function end(world: World, { deal }: Business, party: Party): void {
  const { network } = world
  network.take(network.command('EndDeal', party, { party: party.address, dealId: deal.id }))
}

function afterFailure(world: World, business: Business): void {
  const { strategy, network, scenario } = world
  const { deal, client } = business
  if (deal.successor === undefined && deal.repairBudget > 0n)
    takeOver(world, business, strategy.takesOver && scenario.friends.provider ? 'taker' : 'other provider')
  // Once: the client that lost its data finds somebody else, who may be the one that lost it.
  const isLatest =
    world.businesses.findLast(
      one => one.client === client && one.deal.provider !== partyOf('other provider').address
    ) === business
  const isTime = network.round < scenario.rounds
  if (!strategy.comesBack || !business.isProviderFriend || !isLatest || !isTime || world.keysUsed >= FRESH_KEYS) return
  const key = partyOf(`fresh key ${world.keysUsed}`)
  world.keysUsed += 1
  openBusiness(world, client, key, scenario.pieces)
}

/** A provider takes a failed deal over, if its budget reaches for that. A friend has lost the same leaves. */
function takeOver(world: World, { deal, client, isClientFriend, lost }: Business, name: string): void {
  const { network, state, scenario } = world
  const provider = partyOf(name)
  const code = network.submit(
    network.command('HandOver', provider, {
      provider: provider.address,
      dealId: deal.id,
      pricePerLeafRound: scenario.pricePerLeafRound
    })
  )
  if (code !== undefined) return
  const isProviderFriend = name === 'taker'
  world.businesses.push({
    deal: state.deals.get(state.nextDealId - 1)!,
    client,
    provider,
    isClientFriend,
    isProviderFriend,
    lost: isProviderFriend ? new Set(lost) : new Set(),
    sinceOpening: state.openings
  })
}

/** What a client does that is in league with somebody. */
function conspire(world: World, business: Business): void {
  const { strategy, network, state } = world
  const { deal, client } = business
  const present = deal.pieces.filter(isPresent)
  switch (strategy.client) {
    case 'remove after fault': {
      const owing = new Set(deal.docket.map(({ pieceId }) => pieceId))
      const pieceIds = present.filter(({ id }) => owing.has(id)).map(({ id }) => id)
      if (pieceIds.length > 0)
        network.take(network.command('RemovePieces', client, { client: client.address, dealId: deal.id, pieceIds }))
      return
    }
    case 'demand openings':
      network.submit(
        network.command('DemandOpening', client, {
          client: client.address,
          dealId: deal.id,
          bond: network.parameters.money.openingBond
        })
      )
      return
    case 'add late':
    case 'add late and remove': {
      if (world.chance.oneIn(3)) addPieces(world, business, [world.chance.pick(PIECES)], 1)
      if (strategy.client === 'add late' || present.length <= world.scenario.pieces || !world.chance.oneIn(3)) return
      const pieceIds = [present.at(-1)!.id]
      network.take(network.command('RemovePieces', client, { client: client.address, dealId: deal.id, pieceIds }))
      return
    }
    case 'demand transcripts': {
      const round = [...state.closed.keys()].at(-1)
      if (round !== undefined) demandAll(world, client, round, ({ verdict }) => verdict === 'pass')
      return
    }
    default:
  }
}

type Said = ReturnType<typeof verdictsOn>[number]

/** Demands the transcripts of all verdicts of a kind on deals of a round. */
function demandAll(
  world: World,
  demander: Party,
  round: number,
  wanted: (said: Said, dealId: number) => boolean
): void {
  const known = world.state.closed.get(round)!
  for (const dealId of known.dealIds)
    for (const said of verdictsOn(world.state, known, dealId))
      if (wanted(said, dealId)) demandTranscript(world, demander, said.verifier, round, dealId)
}

/**
 * After a round, those who know better hold verifiers to their word: an honest provider of what it did not send, or sent
 * whole; an honest client of everybody who passed a deal of its that failed.
 */
export function audit(world: World, pushed: ReadonlyMap<string, unknown>): void {
  const { state } = world
  const round = [...state.closed.keys()].at(-1)
  if (round === undefined) return
  const watcher = partyOf('other provider')
  demandAll(world, watcher, round, ({ verifier, verdict }, dealId) => {
    const { isProviderFriend } = world.businessOf(dealId)
    if (isProviderFriend) return false
    return verdict === 'bad proof' || (verdict === 'pass' && !pushed.has(`${verifier}/${dealId}`))
  })
  for (const { deal, client, isClientFriend } of world.businesses) {
    if (!world.scenario.audits || isClientFriend || deal.status !== 'failed' || deal.pieces.length === 0) continue
    for (const closed of state.closed.keys())
      demandAll(world, client, closed, ({ verdict }, dealId) => dealId === deal.id && verdict === 'pass')
  }
  if (world.strategy.refutesFriends) refuteFriends(world, round)
}

/** A friend shows what another friend attested without having seen it, before anybody else does. */
function refuteFriends(world: World, round: number): void {
  const known = world.state.closed.get(round)!
  const refuter = world.verifiers.find(({ isFriend }) => isFriend)
  if (refuter === undefined) return
  for (const dealId of known.dealIds)
    for (const { verifier, verdict } of verdictsOn(world.state, known, dealId)) {
      const friend = world.verifiers.find(({ party, isFriend }) => isFriend && party.address === verifier)
      if (friend !== undefined && verdict !== undefined && verdict !== 'no answer')
        refute(world, refuter.party, friend.party, round, dealId)
    }
}
