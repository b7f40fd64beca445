/**
 * What becomes of verifiers that do not do their work, among watchers that look at a share of what is attested.
 *
 * A liar is caught where the rules can catch it: whoever says *pass* or *bad proof* without the provider's signed proof to
 * show for it loses a place of stake each time. Two kinds cannot be caught, and need not be. *Always no* says nothing that
 * could be false; it is not paid for a round that is proved, and a provider that it leaves in the lurch proves itself to the
 * ledger. *Lazy* passes what the provider has signed unread; as long as it is right it is a verifier like any other, and the
 * first bad proof that it passes is refuted by that proof.
 *
 *     HOLDFAST_LONG=1 npx vitest run packages/core/test/economics/bots --disable-console-intercept
 */
import { expect, it } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { CREDIT } from '../ledger/network-fixture.ts'
import { BotNetwork, type VerifierKind } from './bot-network.ts'

const LONG = process.env.HOLDFAST_LONG === '1'
const SEED = process.env.HOLDFAST_SEED ?? (LONG ? String(Date.now()) : '4')
const ROUNDS = LONG ? 120 : 12
const PLACES = 4
/** Three of ten collude: 30 % of the stake. */
const POPULATION = { honest: 2, yes: 1, no: 1, alarm: 1, copy: 1, lazy: 1, collude: 3 }
const KINDS = Object.keys(POPULATION) as VerifierKind[]
const CAUGHT = ['yes', 'alarm', 'copy', 'collude'] as const

it(`bots lose what they stake, and wrong no honest provider (seed ${SEED})`, { timeout: 1_200_000 }, async () => {
  await using bots = new BotNetwork({
    name: `bots ${SEED}`,
    population: POPULATION,
    places: PLACES,
    deals: LONG ? 30 : 9,
    watchShare: 0.1
  })
  await bots.begin()
  const history: Record<VerifierKind, bigint>[] = []
  const note = () =>
    history.push(Object.fromEntries(KINDS.map(kind => [kind, bots.stakeOf(kind)])) as Record<VerifierKind, bigint>)
  for (let round = 0; round < ROUNDS; round += 1) {
    note()
    await bots.playRound()
  }
  note()
  process.stdout.write(tableOf(bots, history))
  expect(bots.errors).toEqual([])
  expect(bots.falseFaults).toEqual([])
  expect(checkInvariants(bots.network.state)).toEqual([])
  const [first, last] = [history[0]!, history.at(-1)!]
  for (const kind of CAUGHT) {
    expect(last[kind], kind).toBeLessThan(first[kind])
    expect(bots.refutationsOf(kind), kind).toBeGreaterThan(0)
  }
  for (const kind of ['honest', 'no', 'lazy'] as const) {
    expect(last[kind], kind).toBe(first[kind])
    expect(bots.refutationsOf(kind), kind).toBe(0)
  }
  const each = (kind: VerifierKind) => bots.feesOf(kind) / BigInt(POPULATION[kind])
  for (const kind of ['no', ...CAUGHT] as const) expect(each(kind), kind).toBeLessThan(each('honest'))
  expect(bots.liar.faulted).toBeGreaterThan(0)
})

/** Stake of each kind over the rounds, in credits, and what it was paid and refuted. */
function tableOf(bots: BotNetwork, history: readonly Record<VerifierKind, bigint>[]): string {
  const moments = [0, 1, 2, 3, 4].map(quarter => Math.floor((quarter * ROUNDS) / 4))
  const head = ['verifiers', ...moments.map(at => `round ${at}`), 'fees', 'refuted']
  const rows = KINDS.map(kind => [
    `${POPULATION[kind]} ${kind}`,
    ...moments.map(at => String(history[at]![kind] / CREDIT)),
    (Number.parseFloat(String(bots.feesOf(kind) / (CREDIT / 10_000n))) / 10_000).toFixed(4),
    String(bots.refutationsOf(kind))
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => row[column]!.length)))
  const lines = [head, ...rows].map(row => row.map((cell, column) => cell.padStart(widths[column]!)).join('  '))
  const { proved, faulted } = bots.liar
  return `stake in credits, ${bots.network.parameters.name}\n${lines.join('\n')}\nthe provider that lost everything: ${proved} rounds proved, ${faulted} faulted\n`
}
