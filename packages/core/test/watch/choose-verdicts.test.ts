import { beforeAll, describe, expect, it } from 'vitest'
import type { OpenRound } from '../../src/ledger/state.ts'
import { createDraw } from '../../src/rounds/draw.ts'
import { badProofsAgainst, contradictionsTo, drawVerdicts } from '../../src/watch/choose-verdicts.ts'
import { judgeDemand } from '../../src/watch/judge-demand.ts'
import { AttestedRounds } from '../ledger/attested-round.ts'
import {
  CLIENT,
  OTHER_PROVIDER,
  PROVIDER,
  PROVIDERS,
  STRANGER,
  TestNetwork,
  VERIFIERS
} from '../ledger/network-fixture.ts'

/** Four deals, each of another provider; the first verifier raises the alarm about all, the second says nothing. */
let network: TestNetwork
let round: OpenRound

beforeAll(async () => {
  network = new TestNetwork()
  await network.stakeAll()
  const deals = []
  for (const provider of PROVIDERS) deals.push(await network.openDealWithPieces({ provider }))
  const rounds = new AttestedRounds(network, deals)
  await network.openRounds(2)
  await rounds.attestAll(verifier =>
    verifier === VERIFIERS[0] ? 'false alarm' : verifier === VERIFIERS[1] ? 'no answer' : 'honest'
  )
  await network.openRound()
  round = network.state.closed.get(2)!
})

const drawOf = (number: number) => createDraw(Uint8Array.of(number >> 8, number & 255), 'test')
const draw = (rate: number, number = 1, countMax = 99, self = STRANGER.address) =>
  drawVerdicts(network.state, round, { self, rate, countMax, draw: drawOf(number) })
const keyOf = ({ verifier, dealId }: { verifier: string; dealId: number }) => `${verifier}/${dealId}`

describe('drawn verdicts', () => {
  it('are each one with the same chance, but for those that say nothing, and one’s own', () => {
    const counts = new Map<string, number>()
    const runs = 3000
    for (let number = 0; number < runs; number += 1) {
      const [one] = draw(1, number, 1)
      counts.set(keyOf(one!), (counts.get(keyOf(one!)) ?? 0) + 1)
    }
    const said = draw(1).map(keyOf)
    expect([...counts.keys()].sort()).toEqual(said.sort())
    for (const count of counts.values()) {
      const share = 1 / said.length
      expect(Math.abs(count - runs * share)).toBeLessThan(5 * Math.sqrt(runs * share * (1 - share)))
    }
    expect(said.some(key => key.startsWith(VERIFIERS[1]!.address))).toBe(false)
    const own = VERIFIERS[0]!.address
    expect(draw(1, 1, 99, own).some(({ verifier }) => verifier === own)).toBe(false)
  })

  it('are as many as the rate says in the long run, and never more than the most', () => {
    const all = 12
    let drawn = 0
    for (let number = 0; number < 2000; number += 1) drawn += draw(0.02, number).length
    // Some of those that are drawn say nothing; then another one is.
    expect(drawn / 2000).toBeGreaterThan(0.02 * all * 0.8)
    expect(drawn / 2000).toBeLessThan(0.02 * all * 1.2)
    expect(draw(1, 5, 3)).toHaveLength(3)
    expect(draw(0)).toEqual([])
  })
})

describe('suspicious verdicts', () => {
  it('are those that contradict what one has seen oneself', () => {
    const own = VERIFIERS[2]!.address
    const found = contradictionsTo(network.state, round, own)
    expect(found.length).toBeGreaterThan(0)
    for (const one of found) expect(one).toMatchObject({ verifier: VERIFIERS[0]!.address, verdict: 'bad proof' })
    expect(contradictionsTo(network.state, round, STRANGER.address)).toEqual([])
  })

  it('are, for a provider, the bad proofs that it is said to have sent', () => {
    const found = [PROVIDER, OTHER_PROVIDER].flatMap(({ address }) => badProofsAgainst(network.state, round, address))
    expect(found.length).toBeGreaterThan(0)
    for (const one of found) expect(one).toMatchObject({ verifier: VERIFIERS[0]!.address, verdict: 'bad proof' })
    expect(badProofsAgainst(network.state, round, STRANGER.address)).toEqual([])
  })
})

describe('a demand', () => {
  const judge = (policy: Parameters<typeof judgeDemand>[1]['policy'], demander = CLIENT, verifier = VERIFIERS[0]!) =>
    judgeDemand(network.state, { demander: demander.address, verifier: verifier.address, policy })

  it('pays where what is won, times how likely that is, is more than the bond', () => {
    expect(judge('when it pays')).toBeUndefined()
    expect(judge('when it pays', STRANGER)).toContain('the bond takes')
    expect(judge('when it pays', CLIENT, STRANGER)).toContain('cost more')
    expect(judge('always', CLIENT, STRANGER)).toBeUndefined()
    expect(judge('never')).toBe('the config says so')
  })

  it('pays less with every answer of the verifier’s that stands on the ledger', () => {
    const { stakeUnit, refuterPpm } = network.parameters.money
    const reward = (stakeUnit * BigInt(refuterPpm)) / 1_000_000n
    const dear = new TestNetwork({ money: { transcriptBond: reward / 8n } })
    const { state } = dear
    state.verifiers.set(VERIFIERS[0]!.address, network.state.verifiers.get(VERIFIERS[0]!.address)!)
    const about = { demander: CLIENT.address, verifier: VERIFIERS[0]!.address, policy: 'when it pays' } as const
    expect(judgeDemand(state, about)).toBeUndefined()
    const dispute = { verifier: VERIFIERS[0]!.address, round: 1, dealId: 1, demander: CLIENT.address, bond: 0n }
    state.disputes.set('answered', { ...dispute, status: 'answered', sinceCountedRound: 1 })
    expect(judgeDemand(state, about)).toContain('cost more')
    state.disputes.set('refuted', { ...dispute, status: 'refuted', sinceCountedRound: 1 })
    expect(judgeDemand(state, about)).toBeUndefined()
  })
})
