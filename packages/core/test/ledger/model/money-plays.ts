/** Steps about money, asks, stakes and the terms of deals. */
import type { Address } from '../../../src/schema.ts'
import { amountNear, ownFlaw, type Player, pick, type Step } from './player.ts'
import { leavesHeld, noticeEscrow, priceHeld, priceOf } from './simple/money.ts'
import { account } from './simple/state.ts'
import { CHECKERS, CLIENTS, EVERYBODY, NOBODY, STORERS } from './world.ts'

export function transfer(player: Player, step: Step): void {
  const from = pick(EVERYBODY, step.who).address
  const nonce = account(player.model, from).nonce + [0, 0, 0, 1, -1][step.how % 5]!
  const to = ownFlaw(step) >= 0 ? from : pick(EVERYBODY, step.what).address
  const amount = amountNear(player.freeOf(from) / 7n, step)
  player.submitOrHold(player.sign('Transfer', step, from, { from, to, amount, nonce: Math.max(0, nonce) }), step)
}

const REGIONS = ['eu', 'us', '']

export function ask(player: Player, step: Step): void {
  const provider = pick(STORERS, step.who).address
  const operator = step.what % 4 === 3 ? pick(EVERYBODY, step.how).address : provider
  const region = pick(REGIONS, step.how)
  const offer = { addresses: [], region, pricePerLeafRound: 1n, capacityBytes: 1 }
  player.submitOrHold(player.sign('Ask', step, provider, { provider, operator, ...offer }), step)
}

/** A provider and those who may know it by another name. */
export function stake(player: Player, step: Step): void {
  const verifier = pick(CHECKERS, step.who).address
  const operator = step.what % 5 === 4 ? pick(EVERYBODY, step.how).address : verifier
  const amount = amountNear(player.ledger.parameters.money.stakeUnit, step)
  player.submitOrHold(player.sign('VerifierStake', step, verifier, { verifier, operator, amount, addresses: [] }), step)
}

export function unstake(player: Player, step: Step): void {
  const verifier = pick(CHECKERS, step.who).address
  const { stakeUnit } = player.ledger.parameters.money
  const staked = player.model.verifiers.find(one => one.address === verifier)?.stake ?? 0n
  const spare = staked - stakeUnit
  const amount = pick([staked, staked, spare > 0n ? spare : 0n, spare + 1n, 1n, 0n], step.how)
  const times = step.what % 24 === 23 ? 18 : 1
  for (let time = 0; time < times; time += 1) {
    const part = times === 1 ? amount : 1n
    player.submit(player.sign('Unstake', step, verifier, { verifier, amount: part < 0n ? 1n : part }))
  }
}

export function openDeal(player: Player, step: Step): void {
  const client = pick([...CLIENTS, CLIENTS[0]!, STORERS[1]!], step.who).address
  const provider = pick(STORERS, step.what).address
  const { leavesPerRoundMax } = player.ledger.parameters.proving
  const leavesPerRound =
    ownFlaw(step) >= 0 ? pick([0, leavesPerRoundMax + 1], step.how) : 1 + (step.how % leavesPerRoundMax)
  const escrow = pick([0n, 0n, 10n, 5_000n, 2n ** 127n], step.how)
  const statement = { client, provider, pricePerLeafRound: pick([1n, 10n, 33n, 0n], step.how), leavesPerRound, escrow }
  player.submitOrHold(player.sign('DealOrder', step, client, statement, { acceptor: provider }), step)
}

/** Who a step speaks for in a deal: its client, unless it is somebody else for once. */
export function clientOf(player: Player, step: Step): { client: Address; dealId: number } {
  const deal = player.deal(step)
  const isStranger = ownFlaw(step) === 0
  return {
    client: isStranger || deal === undefined ? pick(EVERYBODY, step.what).address : deal.client,
    dealId: deal === undefined || ownFlaw(step) === 1 ? 999 : deal.id
  }
}

export function topUp(player: Player, step: Step): void {
  const { client, dealId } = clientOf(player, step)
  const amount = amountNear(500n, step)
  player.submitOrHold(player.sign('TopUp', step, client, { client, dealId, amount }), step)
}

export function endDeal(player: Player, step: Step): void {
  const { client, dealId } = clientOf(player, step)
  const party = step.how % 3 === 0 ? (player.deal(step)?.provider ?? client) : client
  player.submitOrHold(player.sign('EndDeal', step, party, { party, dealId }), step)
}

export function demandOpening(player: Player, step: Step): void {
  const { client, dealId } = clientOf(player, step)
  const bond = amountNear(player.ledger.parameters.money.openingBond, step)
  player.submitOrHold(player.sign('DemandOpening', step, client, { client, dealId, bond }), step)
}

export function orderTakeOver(player: Player, step: Step): void {
  const { client, dealId } = clientOf(player, step)
  const pricePerLeafRoundMax = pick([1n, 100n], step.how)
  const reward = pick([0n, 3n, 100_000n], step.how)
  const regions = pick([[], [], ['eu'], ['us', 'eu']], step.what)
  const statement = { client, dealId, pricePerLeafRoundMax, reward, regions }
  player.submitOrHold(player.sign('TakeOverOrder', step, client, statement), step)
}

/** For a deal that can be handed over, if there is one, by somebody who can take it, mostly. */
export function handOver(player: Player, step: Step): void {
  const { model } = player
  const failed = model.deals.filter(deal => deal.status === 'failed' && deal.successor === undefined)
  const funded = failed.filter(({ budget }) => budget > 0n)
  const wanted = funded.length > 0 && step.how % 5 !== 4 ? funded : failed
  const deal = wanted.length > 0 && step.how % 8 !== 7 ? pick(wanted, step.who) : player.deal(step)
  const others = [...STORERS, CLIENTS[1]!].filter(({ address }) => address !== deal?.provider)
  const provider = step.how % 6 === 5 ? (deal?.provider ?? NOBODY) : pick(others, step.what).address
  if (provider === NOBODY) return
  const pricePerLeafRound = ownFlaw(step) === 0 ? 101n : pick([0n, 1n, 1n, 2n], step.how)
  const dealId = deal === undefined || ownFlaw(step) === 1 ? 999 : deal.id
  player.submitOrHold(player.sign('HandOver', step, provider, { provider, dealId, pricePerLeafRound }), step)
}

/** A deposit that suffices for what a deal would hold with so many leaves more, mostly. */
export function depositFor(player: Player, step: Step, dealId: number, leaves: number): bigint {
  const { parameters, deals } = player.model
  const deal = deals.find(({ id }) => id === dealId)
  if (deal === undefined) return 0n
  const price = priceOf(parameters, deal.pricePerLeafRound, leavesHeld(deal) + leaves)
  const missing = noticeEscrow(parameters, price) - deal.escrow
  return amountNear(missing > 0n ? missing : priceHeld(player.model, deal), step)
}

export function reserved(player: Player, step: Step): void {
  const [signer, other] = [pick(EVERYBODY, step.who).address, pick(EVERYBODY, step.what).address]
  player.submit(
    step.how % 2 === 0
      ? player.sign('KeyChange', step, signer, { account: signer, successor: other })
      : player.sign('ParameterChange', step, signer, {
          host: signer,
          fromOpening: 9,
          parameters: new Uint8Array(32)
        })
  )
}
