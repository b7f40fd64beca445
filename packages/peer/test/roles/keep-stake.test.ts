import type { Ledger } from '@holdfast/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { CLIENT, STRANGER, TestNetwork, VERIFIERS } from '../../../core/test/ledger/network-fixture.ts'
import { announceUnstake } from '../../src/roles/announce.ts'
import { createStakeKeeper, describeStake, type StakeEvent } from '../../src/roles/keep-stake.ts'

const VERIFIER = VERIFIERS[0]!
const HERE = '/ip4/127.0.0.1/tcp/1'

let network: TestNetwork
let unit: bigint
let drawn: number
let events: StakeEvent[]
let errors: unknown[]
beforeEach(() => {
  network = new TestNetwork()
  unit = network.parameters.money.stakeUnit
  drawn = 0
  events = []
  errors = []
})

const random = (sizeBytes: number) => new Uint8Array(sizeBytes).fill(++drawn)
const stakeOf = ({ address } = VERIFIER) => network.state.verifiers.get(address)?.stake

function keeper(stake?: bigint, { signer = VERIFIER, addresses = [HERE], ledger = network.ledger as Ledger } = {}) {
  return createStakeKeeper({
    ledger,
    signer,
    random,
    signal: undefined,
    stake,
    addresses: () => addresses,
    onEvent: event => events.push(event),
    onError: error => errors.push(error)
  })
}

async function keepOnce(...wishes: Parameters<typeof keeper>): Promise<void> {
  await using one = keeper(...wishes)
  await one.start()
}

describe('a stake', () => {
  it('is one place when nobody says more; new addresses cost nothing more', async () => {
    const before = network.freeOf(VERIFIER)
    await keepOnce()
    await keepOnce()
    await keepOnce(undefined, { addresses: ['/ip4/127.0.0.1/tcp/2'] })
    expect(network.state.verifiers.get(VERIFIER.address)).toEqual({
      stake: unit,
      leaving: [],
      operator: VERIFIER.address,
      addresses: ['/ip4/127.0.0.1/tcp/2']
    })
    expect(network.freeOf(VERIFIER)).toBe(before - unit)
    expect(events).toEqual([
      { kind: 'staked', amount: unit, stake: unit },
      { kind: 'staked', amount: 0n, stake: unit }
    ])
  })

  it('is what the config says, grows with it, and does not shrink with it', async () => {
    await keepOnce(3n * unit)
    expect(stakeOf()).toBe(3n * unit)
    await keepOnce(5n * unit + 1n)
    expect(stakeOf()).toBe(5n * unit + 1n)
    await keepOnce(unit)
    expect(stakeOf()).toBe(5n * unit + 1n)
    expect(events.map(event => event.kind === 'staked' && event.amount)).toEqual([3n * unit, 2n * unit + 1n])
  })

  it('is none at all when the config says 0', async () => {
    await keepOnce(0n)
    expect(stakeOf()).toBeUndefined()
  })

  it('below a place is refused with what mends it', () => {
    expect(() => keeper(unit - 1n)).toThrow(expect.objectContaining({ code: 'STAKE_TOO_SMALL' }))
  })

  it('waits for credits that are missing, and says so once', async () => {
    await using one = keeper(2n * unit, { signer: STRANGER })
    await one.start()
    const missing = { kind: 'creditsMissing', wanted: 2n * unit, stake: 0n, free: 0n, missing: 2n * unit } as const
    expect(events).toEqual([missing])
    expect(describeStake(STRANGER.address, missing)).toContain(`holdfast credits send ${STRANGER.address} 20 `)
    await network.openRound()
    expect(events).toHaveLength(1)
    await network.ledger.submit(network.transfer(CLIENT, STRANGER, unit))
    expect(events.at(-1)).toMatchObject({ free: unit, missing: unit })
    await network.ledger.submit(network.transfer(CLIENT, STRANGER, unit + 7n))
    await expect.poll(() => stakeOf(STRANGER), { timeout: 10_000 }).toBe(2n * unit)
    expect(network.freeOf(STRANGER)).toBe(7n)
    expect(events.at(-1)).toEqual({ kind: 'staked', amount: 2n * unit, stake: 2n * unit })
    expect(errors).toEqual([])
  })

  it('is left alone once its operator takes it back', async () => {
    await using one = keeper(3n * unit)
    await one.start()
    await announceUnstake({ ledger: network.ledger, signer: VERIFIER, random, signal: undefined }, 2n * unit)
    await network.openRound()
    expect(stakeOf()).toBe(unit)
    await announceUnstake({ ledger: network.ledger, signer: VERIFIER, random, signal: undefined }, unit)
    await network.openRound()
    expect(stakeOf()).toBe(0n)
    expect(events).toHaveLength(1)
    const { ledger } = network
    await expect(announceUnstake({ ledger, signer: VERIFIER, random, signal: undefined }, unit)).rejects.toMatchObject({
      code: 'NOT_UNSTAKED',
      details: { code: 'STAKE_TOO_SMALL' }
    })
  })

  it('is made good after a round of silence', async () => {
    const life = new AsyncDisposableStack()
    await using _ = life
    for (const signer of VERIFIERS.slice(0, 3)) await life.use(keeper(unit, { signer })).start()
    await network.openDealWithPieces()
    for (let round = 0; round < 5; round += 1) await network.openRound()
    expect(network.applied.flatMap(({ events: all }) => all).some(({ kind }) => kind === 'silent')).toBe(true)
    await expect
      .poll(() => VERIFIERS.slice(0, 3).map(one => stakeOf(one)), { timeout: 10_000 })
      .toEqual([unit, unit, unit])
    expect(errors).toEqual([])
  })
})
