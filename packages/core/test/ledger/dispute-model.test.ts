import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Signer } from '../../src/identity.ts'
import type { LedgerEvent } from '../../src/ledger/event.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { AttestedRounds, type Conduct } from './attested-round.ts'
import { CLIENT, CREDIT, PROVIDERS, STRANGER, TestNetwork, VERIFIERS } from './network-fixture.ts'

const LONG = process.env.HOLDFAST_LONG === '1'

/** The first two never lie, answer in time and are demanded like everybody else; the others do what chance says. */
const HONEST = VERIFIERS.slice(0, 2)

const verdict = fc.record({
  conduct: fc.constantFrom<Conduct>('honest', 'blind pass', 'false alarm', 'no answer'),
  demanded: fc.boolean(),
  refuted: fc.boolean(),
  answers: fc.boolean()
})
const rounds = fc.array(
  fc.record({
    verdicts: fc.array(verdict, { minLength: 8, maxLength: 8 }),
    end: fc.constantFrom('in time', 'in time', 'in time', 'void')
  }),
  { minLength: 3, maxLength: 6 }
)

it(
  'whatever is demanded, answered, refuted and skipped: no honest verifier loses, and every lie that is looked at costs',
  async () => {
    await fc.assert(
      fc.asyncProperty(rounds, async plan => {
        const network = new TestNetwork({ proving: { answerRounds: 1 } })
        for (const verifier of VERIFIERS) await network.take(network.stake(verifier, 3))
        const deals = []
        for (const provider of PROVIDERS.slice(0, 2)) deals.push(await network.openDealWithPieces({ provider }))
        await network.openRounds(2)
        const attested = new AttestedRounds(network, deals)
        /** Lies that were demanded or shown. */
        const caught = new Set<string>()
        for (const { verdicts, end } of plan) {
          const { round } = network.state
          const plans = new Map(
            [1, 2].flatMap(dealId =>
              attested.verifiersOf(dealId).map((verifier, place) => {
                const drawn = verdicts[(dealId - 1) * 4 + place]!
                const isHonest = HONEST.includes(verifier)
                const conduct = isHonest ? 'honest' : drawn.conduct
                return [`${verifier.address}/${dealId}`, { ...drawn, verifier, dealId, conduct, isHonest }] as const
              })
            )
          )
          await attested.attestAll(({ address }, dealId) => plans.get(`${address}/${dealId}`)!.conduct)
          if (end === 'void') network.voidRounds(round + 1)
          await network.openRound()
          for (const { verifier, dealId, conduct, demanded, refuted, answers, isHonest } of plans.values()) {
            const lies = conduct === 'blind pass' || conduct === 'false alarm'
            if (demanded && conduct !== 'no answer') {
              await network.take(attested.demand(CLIENT, verifier, round, dealId))
              if (lies) caught.add(`${verifier.address}/${round}/${dealId}`)
              if (isHonest || (answers && conduct === 'honest'))
                await network.take(attested.answer(verifier, round, dealId))
            }
            if (!refuted) continue
            const refusal = await network.refusalOf(attested.refutation(STRANGER, verifier, round, dealId))
            if (lies) caught.add(`${verifier.address}/${round}/${dealId}`)
            expect(refusal === 'taken').toBe(lies)
          }
          expect(checkInvariants(network.state)).toEqual([])
        }
        await network.openRounds(network.parameters.proving.answerRounds + 1)
        expect(checkInvariants(network.state)).toEqual([])
        const events = network.applied.flatMap(entry => entry.events)
        for (const honest of HONEST) expect(lostBy(honest, events)).toBe(0n)
        const refuted = events.filter(({ kind }) => kind === 'refuted') as Extract<LedgerEvent, { kind: 'refuted' }>[]
        const names = refuted.map(({ verifier, round, dealId }) => `${verifier}/${round}/${dealId}`)
        expect(new Set(names).size).toBe(names.length)
        for (const lie of caught) expect(names).toContain(lie)
      }),
      { numRuns: LONG ? 300 : 6 }
    )
  },
  LONG ? 3_600_000 : 120_000
)

function lostBy({ address }: Signer, events: readonly LedgerEvent[]): bigint {
  return events.reduce(
    (sum, event) => (event.kind === 'refuted' && event.verifier === address ? sum + event.lost : sum),
    0n
  )
}

it('a liar that is never looked at loses nothing, and one that always is runs out of places', async () => {
  const network = new TestNetwork()
  for (const verifier of VERIFIERS) await network.take(network.stake(verifier, 2))
  const attested = new AttestedRounds(network, [await network.openDealWithPieces()])
  await network.openRounds(2)
  let refutations = 0
  for (let round = 2; network.state.open!.verifiers.length === VERIFIERS.length && round < 12; round += 1) {
    const verifiers = attested.verifiersOf(1)
    await attested.attestAll(verifier => (verifier === VERIFIERS[3] ? 'blind pass' : 'honest'))
    await network.openRound()
    if (!verifiers.includes(VERIFIERS[3]!)) continue
    await network.take(attested.refutation(STRANGER, VERIFIERS[3]!, round, 1))
    refutations += 1
  }
  expect(refutations).toBeGreaterThanOrEqual(2)
  expect(network.state.verifiers.get(VERIFIERS[3]!.address)!.stake).toBe(0n)
  for (const honest of VERIFIERS.slice(0, 3))
    expect(network.state.verifiers.get(honest.address)!.stake).toBe(20n * CREDIT)
})
