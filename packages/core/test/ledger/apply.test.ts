import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { apply } from '../../src/ledger/apply.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import { createLedgerState } from '../../src/ledger/state.ts'
import { roundOpensMs } from '../../src/rounds/schedule.ts'
import {
  BEACON,
  CLIENT,
  PROVIDER,
  parametersWith,
  STRANGER,
  signatureOfRound,
  TestNetwork,
  TOOLS
} from './network-fixture.ts'

describe('the log', () => {
  it('begins with the genesis of its own network', () => {
    const parameters = parametersWith()
    const entry = { version: 1, sequence: 0, timeMs: 0 } as const
    const networkId = createLedgerState(parameters).networkId
    const codeOf = (body: Parameters<typeof apply>[1]['body'], sequence = 0) => {
      const result = apply(createLedgerState(parameters), { ...entry, sequence, body }, TOOLS)
      return result.ok ? 'taken' : result.refusal.code
    }
    expect(codeOf({ kind: 'genesis', networkId })).toBe('taken')
    expect(codeOf({ kind: 'genesis', networkId: networkId.map(byte => byte ^ 1) })).toBe('WRONG_NETWORK')
    expect(codeOf({ kind: 'genesis', networkId }, 1)).toBe('WRONG_SEQUENCE')
    expect(codeOf({ kind: 'voidRounds', from: 1, to: 1 })).toBe('BAD_ENTRY')
  })

  it('has one genesis, no gaps, and no way back in time', async () => {
    const network = new TestNetwork()
    await network.openRound()
    const { state } = network
    const before = hashState(state)
    const codeOf = (sequence: number, timeMs: number) => {
      const body = { kind: 'genesis', networkId: state.networkId } as const
      const result = apply(state, { version: 1, sequence, timeMs, body }, TOOLS)
      return result.ok ? 'taken' : result.refusal.code
    }
    expect(codeOf(2, state.timeMs)).toBe('BAD_ENTRY')
    expect(codeOf(1, state.timeMs)).toBe('WRONG_SEQUENCE')
    expect(codeOf(3, state.timeMs)).toBe('WRONG_SEQUENCE')
    expect(codeOf(2, state.timeMs - 1)).toBe('TIME_WENT_BACK')
    expect(hashState(state)).toBe(before)
  })
})

describe('opening a round', () => {
  const open = async (network: TestNetwork, round: number, timeMs: number, signature?: Uint8Array) => {
    const beaconSignature = signature ?? (await signatureOfRound(network.parameters, round))
    return await network.refusalOf(() => network.ledger.append({ kind: 'openRound', round, beaconSignature }, timeMs))
  }

  it('comes in its time: not before, and not when only void is left', async () => {
    const network = new TestNetwork()
    const opensMs = roundOpensMs(network.parameters, 1)
    const lateMs = network.parameters.roundLateMsMax
    expect(await open(network, 1, opensMs - 1)).toBe('TOO_EARLY')
    expect(await open(network, 1, opensMs + lateMs + 1)).toBe('TOO_LATE')
    expect(await open(network, 1, opensMs + lateMs)).toBe('taken')
    expect(await open(network, 2, opensMs + network.parameters.roundMs)).toBe('taken')
  })

  it('comes in order', async () => {
    const network = new TestNetwork()
    await network.openRound()
    for (const round of [1, 3]) {
      expect(await open(network, round, roundOpensMs(network.parameters, round) + 20_000)).toBe('WRONG_ROUND')
    }
  })

  it('needs the beacon’s signature of that round', async () => {
    const network = new TestNetwork()
    const opensMs = roundOpensMs(network.parameters, 1)
    expect(await open(network, 1, opensMs, await BEACON.signatureOf(2))).toBe('BAD_BEACON')
    expect(await open(network, 1, opensMs, new Uint8Array(48))).toBe('BAD_BEACON')
  })
})

describe('void rounds', () => {
  const voidRounds = (network: TestNetwork, from: number, to: number, timeMs: number) =>
    network.refusalOf(() => network.ledger.append({ kind: 'voidRounds', from, to }, timeMs))

  it('are those that cannot be opened any more', async () => {
    const network = new TestNetwork()
    await network.openRound()
    const deadlineMs = roundOpensMs(network.parameters, 3) + network.parameters.roundLateMsMax
    expect(await voidRounds(network, 2, 3, deadlineMs)).toBe('TOO_EARLY')
    expect(await voidRounds(network, 2, 4, deadlineMs + 1)).toBe('TOO_EARLY')
    expect(await voidRounds(network, 3, 3, deadlineMs + 1)).toBe('WRONG_ROUND')
    expect(await voidRounds(network, 2, 1, deadlineMs + 1)).toBe('WRONG_ROUND')
    expect(await voidRounds(network, 2, 3, deadlineMs + 1)).toBe('taken')
    expect(network.state.round).toBe(3)
    await network.openRound()
    expect(network.state.round).toBe(4)
  })
})

describe('signatures, ids and validity', () => {
  it('refuses a command that somebody else signed, and one of another network', async () => {
    const network = new TestNetwork()
    const ask = network.ask(PROVIDER)
    const forged = { ...ask, signature: network.ask(STRANGER).signature }
    expect(await network.refusalOf(forged)).toBe('BAD_SIGNATURE')
    expect(await network.refusalOf({ ...ask, signature: new Uint8Array(65) })).toBe('BAD_SIGNATURE')
    expect(await network.refusalOf(new TestNetwork({ name: 'another' }).ask(PROVIDER))).toBe('BAD_SIGNATURE')
    await network.take(ask)
  })

  it('gives a repeated command its first receipt, and changes nothing', async () => {
    const network = new TestNetwork()
    const ask = network.ask(PROVIDER)
    const first = await network.submit(ask)
    await network.take(network.transfer(CLIENT, STRANGER, 1n))
    const before = hashState(network.state)
    expect(await network.submit(ask)).toEqual(first)
    expect(hashState(network.state)).toBe(before)
  })

  it('refuses another command with the same id, of the same signer only', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER, { id: 'ab'.repeat(16) }))
    expect(await network.refusalOf(network.ask(PROVIDER, { id: 'ab'.repeat(16), region: 'us' }))).toBe('ID_REUSED')
    const stake = {
      verifier: PROVIDER.address,
      operator: PROVIDER.address,
      id: 'ab'.repeat(16),
      amount: 10n ** 19n,
      addresses: []
    }
    expect(await network.refusalOf(network.command('VerifierStake', PROVIDER, stake))).toBe('ID_REUSED')
    await network.take(network.ask(STRANGER, { id: 'ab'.repeat(16) }))
  })

  it('lets a refused id be used again', async () => {
    const network = new TestNetwork()
    const command = network.topUp(CLIENT, 1, 1n)
    expect(await network.refusalOf(command)).toBe('NO_DEAL')
    await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER), command)
  })

  it('takes statements in their last round, not after it, and not from too far ahead', async () => {
    const network = new TestNetwork({ statementRoundsMax: 3 })
    await network.openRounds(2)
    expect(await network.refusalOf(network.ask(PROVIDER, { validUntilRound: 1 }))).toBe('EXPIRED')
    expect(await network.refusalOf(network.ask(PROVIDER, { validUntilRound: 6 }))).toBe('VALID_TOO_LONG')
    await network.take(network.ask(PROVIDER, { validUntilRound: 2 }), network.ask(PROVIDER, { validUntilRound: 5 }))
  })

  it('forgets an id no earlier and no later than its statement expires', async () => {
    const network = new TestNetwork({ statementRoundsMax: 3 })
    const ask = network.ask(PROVIDER, { validUntilRound: 2 })
    await network.take(ask)
    await network.openRounds(2)
    expect((await network.submit(ask)).ok).toBe(true)
    expect(network.state.usedIds.size).toBe(1)
    await network.openRound()
    expect(network.state.usedIds.size).toBe(0)
    expect(await network.refusalOf(ask)).toBe('EXPIRED')
  })

  it('forgets ids over void rounds too', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER, { validUntilRound: 2 }))
    network.voidRounds(3)
    expect(network.state.usedIds.size).toBe(0)
  })
})

it.each([
  ['KeyChange', { account: CLIENT.address, successor: STRANGER.address }],
  ['ParameterChange', { host: CLIENT.address, fromOpening: 9, parameters: new Uint8Array(32) }]
] as const)('knows %s and does not take it yet', async (kind, statement) => {
  const network = new TestNetwork()
  expect(await network.refusalOf(network.command(kind, CLIENT, statement))).toBe('RESERVED')
  expect(await network.refusalOf(network.command(kind, STRANGER, statement))).toBe('BAD_SIGNATURE')
})

it('keeps the state a function of the log: a replay gives the same hash', async () => {
  const network = new TestNetwork()
  await network.stakeAll()
  const { deal, pieces } = await network.openDealWithPieces()
  await network.openRounds(2)
  await network.attestAll(() => 'pass')
  await network.openRound()
  await network.take(await network.selfProof(deal, PROVIDER, pieces))
  network.voidRounds(5)
  await network.openRound()
  const genesis = { version: 1, sequence: 0, timeMs: network.parameters.genesisMs - 1000 } as const
  const state = createLedgerState(network.parameters)
  const entries = [
    { ...genesis, body: { kind: 'genesis', networkId: state.networkId } as const },
    ...network.applied.map(({ entry }) => entry)
  ]
  for (const entry of entries) expect(apply(state, entry, TOOLS).ok).toBe(true)
  expect(hashState(state)).toBe(hashState(network.state))
  expect(hexToBytes(hashState(state))).toHaveLength(32)
})
