import { assignmentOf, dealsAssignedTo } from '@holdfast/core'
import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { CREDIT, TestNetwork, VERIFIERS } from '../../../core/test/ledger/network-fixture.ts'
import { createVerifierMetrics } from '../../src/http/verifier-metrics.ts'

it('counts verdicts, fees, silence and stake as the ledger has them', async () => {
  const network = new TestNetwork()
  await network.stakeAll()
  await network.openDealWithPieces()
  await network.openRound()
  await network.openRound()
  const isAssigned = ({ address }: (typeof VERIFIERS)[number]) =>
    dealsAssignedTo(assignmentOf(network.state, network.state.open!), address).length > 0
  const verifier = VERIFIERS.find(isAssigned)!
  const registry = new Registry()
  const set = createVerifierMetrics(registry, network.ledger, verifier.address)
  const read = async (name: string) => {
    set()
    const { values } = (await registry.getSingleMetric(name)!.get()) as { values: { value: number; labels: object }[] }
    return values.map(({ value, labels }) => ({ ...labels, value }))
  }
  expect(await read('holdfast_deals_assigned')).toEqual([{ value: 1 }])
  const before = network.freeOf(verifier)
  for (const one of VERIFIERS.filter(isAssigned)) await network.take(network.attestation(one, () => 'pass'))
  await network.openRound()
  expect(await read('holdfast_verdicts_total')).toEqual([{ verdict: 'pass', value: 1 }])
  const [fees] = await read('holdfast_fee_credits_total')
  expect(fees!.value).toBeCloseTo(Number.parseFloat(`${network.freeOf(verifier) - before}`) / 1e18, 15)
  while (isAssigned(verifier) === false) await network.openRound()
  await network.openRound()
  expect(await read('holdfast_silent_rounds_total')).toEqual([{ value: 1 }])
  const stake = network.state.verifiers.get(verifier.address)!.stake
  expect(stake).toBe(9n * CREDIT)
  expect(await read('holdfast_stake_credits')).toEqual([{ value: 9 }])
})
