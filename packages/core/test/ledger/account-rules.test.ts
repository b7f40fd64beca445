import { describe, expect, it } from 'vitest'
import { askOf, asksInForce, newestAskOf } from '../../src/ledger/asks.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import { CLIENT, CREDIT, PROVIDER, STRANGER, TestNetwork, VERIFIERS } from './network-fixture.ts'

const [VERIFIER] = VERIFIERS as [(typeof VERIFIERS)[number]]

describe('transfers', () => {
  it('move credits and count the nonce', async () => {
    const network = new TestNetwork()
    const events = await network.take(
      network.transfer(CLIENT, STRANGER, 3n, 0),
      network.transfer(CLIENT, STRANGER, 4n, 1)
    )
    expect(network.freeOf(STRANGER)).toBe(7n)
    expect(network.freeOf(CLIENT)).toBe(1000n * CREDIT - 7n)
    expect(network.state.accounts.get(CLIENT.address)!.nonce).toBe(2)
    expect(events.at(-1)).toEqual({ kind: 'transferred', from: CLIENT.address, to: STRANGER.address, amount: 4n })
  })

  it('to oneself change nothing but the nonce', async () => {
    const network = new TestNetwork()
    await network.take(network.transfer(CLIENT, CLIENT, 5n))
    expect(network.state.accounts.get(CLIENT.address)).toMatchObject({ free: 1000n * CREDIT, nonce: 1 })
  })

  it('may empty an account and not overdraw it', async () => {
    const network = new TestNetwork()
    expect(await network.refusalOf(network.transfer(CLIENT, STRANGER, 1000n * CREDIT + 1n))).toBe('BALANCE_TOO_SMALL')
    await network.take(network.transfer(CLIENT, STRANGER, 1000n * CREDIT))
    expect(network.freeOf(CLIENT)).toBe(0n)
    expect(await network.refusalOf(network.transfer(CLIENT, STRANGER, 1n))).toBe('BALANCE_TOO_SMALL')
  })

  it.each([1, 5])('are refused with nonce %i in place of 0', async nonce => {
    const network = new TestNetwork()
    expect(await network.refusalOf(network.transfer(CLIENT, STRANGER, 1n, nonce))).toBe('WRONG_NONCE')
  })

  it('are applied once, however often they are sent', async () => {
    const network = new TestNetwork()
    const command = network.transfer(CLIENT, STRANGER, 1n)
    const first = await network.submit(command)
    const before = hashState(network.state)
    expect(await network.submit(command)).toEqual(first)
    expect(hashState(network.state)).toBe(before)
    expect(await network.refusalOf(network.transfer(CLIENT, STRANGER, 2n, 0))).toBe('WRONG_NONCE')
    await network.take(network.transfer(CLIENT, STRANGER, 1n, 1))
    expect(await network.refusalOf(command)).toBe('WRONG_NONCE')
    expect(network.freeOf(STRANGER)).toBe(2n)
  })
})

describe('asks', () => {
  it('replace the one before', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER), network.ask(PROVIDER, { pricePerLeafRound: 7n }))
    expect(askOf(network.state, PROVIDER.address)!.pricePerLeafRound).toBe(7n)
    expect([...asksInForce(network.state)]).toHaveLength(1)
  })
})

describe('an ask that is made while a round is open', () => {
  it('is in force from the next opening on, and the newest of them', async () => {
    const network = new TestNetwork()
    await network.openRound()
    const events = await network.take(network.ask(PROVIDER))
    expect(events).toEqual([{ kind: 'askSet', provider: PROVIDER.address, fromOpening: 2 }])
    expect(askOf(network.state, PROVIDER.address)).toBeUndefined()
    expect([...asksInForce(network.state)]).toEqual([])
    expect(newestAskOf(network.state, PROVIDER.address)!.pricePerLeafRound).toBe(100n)
    expect(await network.refusalOf(network.dealOrder(PROVIDER))).toBe('NO_ASK')
    await network.openRound()
    expect(askOf(network.state, PROVIDER.address)!.pricePerLeafRound).toBe(100n)
    await network.take(
      network.ask(PROVIDER, { pricePerLeafRound: 7n }),
      network.ask(PROVIDER, { pricePerLeafRound: 8n })
    )
    expect(askOf(network.state, PROVIDER.address)!.pricePerLeafRound).toBe(100n)
    await network.openRound()
    expect(askOf(network.state, PROVIDER.address)!.pricePerLeafRound).toBe(8n)
  })

  it('is not brought into force by void rounds', async () => {
    const network = new TestNetwork()
    await network.openRound()
    await network.take(network.ask(PROVIDER))
    network.voidRounds(5)
    expect(askOf(network.state, PROVIDER.address)).toBeUndefined()
    await network.openRound()
    expect(askOf(network.state, PROVIDER.address)).toBeDefined()
  })
})

describe('stakes', () => {
  it('lock credits and add up', async () => {
    const network = new TestNetwork()
    await network.take(network.stake(VERIFIER), network.stake(VERIFIER, 2))
    expect(network.state.verifiers.get(VERIFIER.address)!.stake).toBe(30n * CREDIT)
    expect(network.freeOf(VERIFIER)).toBe(970n * CREDIT)
  })

  it('renew addresses with an amount of zero, once there is a place', async () => {
    const network = new TestNetwork()
    const renewal = {
      verifier: VERIFIER.address,
      operator: STRANGER.address,
      amount: 0n,
      addresses: ['/memory/moved']
    }
    expect(await network.refusalOf(network.command('VerifierStake', VERIFIER, renewal))).toBe('STAKE_TOO_SMALL')
    await network.take(network.stake(VERIFIER), network.command('VerifierStake', VERIFIER, renewal))
    expect(network.state.verifiers.get(VERIFIER.address)).toEqual({
      stake: 10n * CREDIT,
      leaving: [],
      operator: STRANGER.address,
      addresses: ['/memory/moved']
    })
  })

  it('below a place, or above the balance, are refused', async () => {
    const network = new TestNetwork()
    const small = { verifier: VERIFIER.address, operator: VERIFIER.address, amount: 10n * CREDIT - 1n, addresses: [] }
    expect(await network.refusalOf(network.command('VerifierStake', VERIFIER, small))).toBe('STAKE_TOO_SMALL')
    expect(await network.refusalOf(network.stake(VERIFIER, 101))).toBe('BALANCE_TOO_SMALL')
  })
})
