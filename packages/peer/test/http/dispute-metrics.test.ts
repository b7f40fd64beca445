import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { AttestedRounds } from '../../../core/test/ledger/attested-round.ts'
import { CLIENT, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { countDisputes } from '../../src/http/dispute-metrics.ts'

it('disputes count for who raised them and for who lost them, with what was earned', async () => {
  const network = new TestNetwork()
  await network.stakeAll()
  const rounds = new AttestedRounds(network, [await network.openDealWithPieces()])
  await network.openRounds(2)
  const [liar, honest] = rounds.verifiersOf(1)
  await rounds.attestAll(verifier => (verifier === liar ? 'blind pass' : 'honest'))
  await network.openRound()
  const [winner, loser] = [new Registry(), new Registry()]
  countDisputes(winner, network.ledger, CLIENT.address)
  countDisputes(loser, network.ledger, liar!.address)
  await network.take(rounds.refutation(CLIENT, liar!, 2, 1), rounds.demand(CLIENT, honest!, 2, 1))
  await network.take(rounds.answer(honest!, 2, 1))
  const text = await winner.metrics()
  expect(text).toContain('holdfast_disputes_total{outcome="won"} 1')
  expect(text).toContain('holdfast_disputes_total{outcome="answered"} 1')
  expect(text).toContain('holdfast_disputes_total{outcome="lost"} 0')
  expect(text).toContain('holdfast_dispute_rewards_credits_total 2.5')
  expect(await loser.metrics()).toContain('holdfast_disputes_total{outcome="lost"} 1')
})
