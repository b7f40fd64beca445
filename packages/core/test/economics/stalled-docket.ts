/** A provider that has lost its last piece, gives notice, and proves nothing more than what its docket makes it. */

import { ASKED_OF_DOCKET } from '../../src/ledger/asked-pieces.ts'
import { digestOfProofs } from '../../src/ledger/commands.ts'
import type { NetworkParameters } from '../../src/network.ts'
import { docketChallenges } from '../../src/rounds/docket.ts'
import { openBusiness, setAsk } from './clients.ts'
import { partyOf } from './parties.ts'
import { proveToLedger } from './providers.ts'
import { HONEST, type Scenario } from './scenario.ts'
import { PIECES } from './sim-network.ts'
import { World } from './world.ts'

/** @returns what became of the deal, and of its collateral */
export async function stall(name: string, parameters: NetworkParameters, leavesPerRound: number) {
  const scenario: Scenario = {
    name,
    parameters,
    verifiers: [],
    friends: { client: false, provider: true },
    pieces: 4,
    leavesPerRound,
    pricePerLeafRound: 100n,
    audits: false,
    rounds: 40
  }
  const world = new World(scenario, HONEST)
  const { network } = world
  const provider = partyOf('provider')
  setAsk(world, provider, provider)
  const business = openBusiness(world, partyOf('client'), provider, 4)
  const { deal } = business
  for (let round = 0; round < 8; round += 1) {
    network.openRound()
    await proveToLedger(world)
  }
  for (let leaf = 0; leaf < 8; leaf += 1) business.lost.add(`${PIECES[3]!.cid}/${leaf}`)
  network.take(network.command('EndDeal', provider, { party: provider.address, dealId: deal.id }))
  const { collateral } = deal
  while (deal.status === 'ending') {
    network.openRound()
    const { countedRounds } = world.state
    const due = deal.docket.filter(leaf => countedRounds + 1 - leaf.sinceCountedRound >= parameters.proving.cureRounds)
    const challenges = docketChallenges(due, due.length)
    if (due.length === 0 || !world.has(business, challenges)) continue
    const proofs = await network.prove(deal, challenges)
    const statement = {
      provider: provider.address,
      dealId: deal.id,
      round: network.round,
      docket: true,
      asked: ASKED_OF_DOCKET
    }
    network.take(network.command('SelfProof', provider, { ...statement, proofs: digestOfProofs(proofs) }, { proofs }))
  }
  return { status: deal.status, collateral, isKept: deal.status === 'ended' }
}
