/** Providers: to whom they send proofs, and what they prove to the ledger. */
import { ASKED_OF_DOCKET, askedDigestOf } from '../../src/ledger/asked-pieces.ts'
import { digestOfProofs, type PieceProof } from '../../src/ledger/commands.ts'
import { assignmentOf } from '../../src/ledger/proof-rules.ts'
import { verdictsOn } from '../../src/ledger/settle-deal.ts'
import { verifiersOfDeal } from '../../src/rounds/assignment.ts'
import type { PieceChallenge } from '../../src/rounds/challenge.ts'
import { docketChallenges } from '../../src/rounds/docket.ts'
import { chanceOf } from './chance.ts'
import type { Business, World } from './world.ts'

/** Providers send their proofs of the open round to the verifiers of their deals. */
export async function pushProofs(world: World): Promise<void> {
  world.pushes.clear()
  const { state } = world
  for (const { business, challenges } of world.challenged()) {
    const proofs = world.has(business, challenges) ? await world.network.prove(business.deal, challenges) : undefined
    for (const verifier of verifiersOfDeal(assignmentOf(state, state.open!), business.deal.id)) {
      const sent = whatIsSent(world, business, verifier, proofs)
      if (sent !== undefined) push(world, business, verifier, sent ?? [])
    }
  }
}

const GARBAGE: readonly PieceProof[] = [
  { pieceId: 0, leafIndices: [0], leaves: new Uint8Array(32), nodes: new Uint8Array(0) }
]

function whatIsSent(world: World, business: Business, verifier: string, proofs: readonly PieceProof[] | undefined) {
  const { strategy, state } = world
  const isFriend = world.friends.has(verifier as `0x${string}`)
  if (!business.isProviderFriend) {
    // The way to a verifier fails now and then: nobody's fault.
    const fails = chanceOf(`trouble ${world.scenario.name}/${state.round}/${business.deal.id}/${verifier}`).oneIn(6)
    return fails ? undefined : proofs
  }
  if (strategy.pushesTo === 'nobody' || (strategy.pushesTo === 'friends' && !isFriend && proofs === undefined))
    return strategy.pushesGarbage && proofs === undefined ? GARBAGE : undefined
  if (strategy.pushesTo === 'friends' && !isFriend && strategy.lostPermille === 0) return undefined
  return proofs ?? (strategy.pushesGarbage && !isFriend ? GARBAGE : undefined)
}

function push(world: World, { deal, provider }: Business, verifier: string, proofs: readonly PieceProof[]): void {
  const digest = digestOfProofs(proofs)
  const statement = {
    provider: provider.address,
    verifier: verifier as `0x${string}`,
    dealId: deal.id,
    round: world.state.round,
    proofs: digest
  }
  const signature = provider.sign(world.network.digestOf('ProofPush', statement))
  world.pushes.set(`${verifier}/${deal.id}`, { proofs, digest, signature })
}

/** Providers prove to the ledger what nobody else has proved, and what they owe. */
export async function proveToLedger(world: World): Promise<void> {
  const { proving } = world.network.parameters
  for (const { business, challenges } of world.challenged()) {
    const { deal } = business
    const verdicts = verdictsOn(world.state, world.state.open!, deal.id)
    const passes = verdicts.filter(({ verdict }) => verdict === 'pass').length
    const isNeeded = world.mustOpen(business) || passes < proving.quorum
    const willProve = !business.isProviderFriend || world.strategy.proves === 'always'
    if (isNeeded && willProve) await selfProve(world, business, challenges, false)
  }
  await clearDockets(world)
}

/** Providers prove what they owe of rounds before; that can be done at any time. */
export async function clearDockets(world: World): Promise<void> {
  for (const business of world.businesses) {
    const { deal } = business
    if (deal.docket.length === 0 || (business.isProviderFriend && world.strategy.proves === 'never')) continue
    await clearDocket(world, business)
  }
}

async function clearDocket(world: World, business: Business): Promise<void> {
  const { docket } = business.deal
  const { countedRounds, parameters } = world.state
  const isDue = (since: number) => countedRounds + 1 - since >= parameters.proving.cureRounds
  const onlyDue = business.isProviderFriend && world.strategy.proves === 'what is due'
  const leaves = onlyDue ? docket.filter(({ sinceCountedRound }) => isDue(sinceCountedRound)) : docket
  const had = leaves.filter(({ pieceId, leafIndex }) => world.has(business, [{ pieceId, leafIndices: [leafIndex] }]))
  if (had.length > 0) await selfProve(world, business, docketChallenges(had, had.length), true)
}

/** Proves what it has. What it has not, it now and then tries to forge. */
async function selfProve(
  world: World,
  business: Business,
  challenges: readonly PieceChallenge[],
  docket: boolean
): Promise<void> {
  const isThere = world.has(business, challenges)
  if (!isThere && !world.chance.oneIn(8)) return
  const proofs = await world.network.prove(business.deal, challenges)
  if (!isThere) for (const { leaves } of proofs) leaves.fill(0)
  const { network } = world
  const { deal, provider } = business
  const statement = {
    provider: provider.address,
    dealId: deal.id,
    round: world.state.round,
    docket,
    asked: docket ? ASKED_OF_DOCKET : askedDigestOf(deal, world.state.open!.opening),
    proofs: digestOfProofs(proofs)
  }
  const code = network.submit(network.command('SelfProof', provider, statement, { proofs }))
  if (code !== (isThere ? undefined : 'BAD_PROOF'))
    world.ombudsman.complaints.push(`a ${isThere ? 'good' : 'forged'} proof got ${code} in round ${network.round}`)
}
