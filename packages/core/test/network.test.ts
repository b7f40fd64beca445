import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { CoreError } from '../src/error.ts'
import {
  describeNetwork,
  formatNetworkDescription,
  LEAVES_PER_ROUND_MAX,
  networkIdOf,
  networkParametersSchema,
  parseNetworkDescription,
  VERIFIER_PLACES_MAX
} from '../src/network.ts'
import { CREDIT, HOST, PARAMETERS, type ParameterChanges, parametersWith, STRANGER } from './ledger/network-fixture.ts'

const ADDRESSES = { sequence: 3, host: ['/ip4/127.0.0.1/tcp/4001'], bootstrap: ['/dns4/example.com/tcp/4001'] }
const TEXT = formatNetworkDescription(describeNetwork(PARAMETERS, ADDRESSES, HOST))

function codeOf(text: string): string {
  try {
    parseNetworkDescription(text)
    return 'taken'
  } catch (error) {
    if (error instanceof CoreError) return error.code
    throw error
  }
}

describe('a network description', () => {
  it('comes back from its text as it was', () => {
    const description = parseNetworkDescription(TEXT)
    expect(description.parameters).toEqual(PARAMETERS)
    expect(description.addresses).toEqual(ADDRESSES)
    expect(formatNetworkDescription(description)).toBe(TEXT)
  })

  it('is refused when it is no JSON, no description, or has a field too many', () => {
    expect(codeOf('{')).toBe('NETWORK_INVALID')
    expect(codeOf('null')).toBe('NETWORK_INVALID')
    expect(codeOf(JSON.stringify({ ...JSON.parse(TEXT), more: 1 }))).toBe('NETWORK_INVALID')
  })

  it('is refused when anything in it was changed', () => {
    const changes: Array<(description: ReturnType<typeof JSON.parse>) => void> = [
      description => description.addresses.host.push('/ip4/6.6.6.6/tcp/1'),
      description => {
        description.addresses.sequence += 1
      },
      description => {
        description.parameters.money.verifierFeePpm += 1
      },
      description => {
        description.parameters.accounts[0].amount = '1'
      },
      description => {
        description.parameters.accounts[0].amount = 'much'
      },
      description => {
        description.parameters.money.stakeUnit = '0x10'
      },
      description => {
        description.parameters.host = STRANGER.address
      },
      description => {
        description.signature = bytesToHex(STRANGER.sign(new Uint8Array(32)))
      }
    ]
    for (const change of changes) {
      const description = JSON.parse(TEXT)
      change(description)
      expect(codeOf(JSON.stringify(description))).toBe('NETWORK_INVALID')
    }
    expect(codeOf(TEXT)).toBe('taken')
  })

  it('is made by the host only', () => {
    expect(() => describeNetwork(PARAMETERS, ADDRESSES, STRANGER)).toThrow(RangeError)
  })
})

describe('the network id', () => {
  it('follows from the parameters and from nothing else', () => {
    const id = bytesToHex(networkIdOf(PARAMETERS))
    expect(id).toHaveLength(64)
    expect(bytesToHex(networkIdOf(parseNetworkDescription(TEXT).parameters))).toBe(id)
    const { accounts, ...rest } = PARAMETERS
    expect(bytesToHex(networkIdOf({ accounts, ...rest }))).toBe(id)
    expect(bytesToHex(networkIdOf(parametersWith({ proving: { quorum: 1 } })))).not.toBe(id)
    expect(bytesToHex(networkIdOf(parametersWith({ accounts: [...accounts].reverse() })))).not.toBe(id)
  })
})

describe('parameters', () => {
  const accounts = (amount: bigint) => [
    { address: HOST.address, amount },
    { address: STRANGER.address, amount }
  ]
  const quicknet = { source: 'drand', genesisMs: 1_692_803_367_000, periodMs: 3_000 } as const

  it.each<[string, ParameterChanges]>([
    ['a quorum above the verifiers of a deal', { proving: { verifiersPerDeal: 2, quorum: 3 } }],
    ['attestations after the self-proofs', { proving: { attestAtPermille: 750, selfProveAtPermille: 750 } }],
    ['a notice within the time of cure', { proving: { cureRounds: 4 }, money: { noticeRounds: 4 } }],
    ['collateral below twice what a cheat earns', { proving: { openingOneIn: 2 }, money: { collateralRounds: 3 } }],
    [
      'a forfeit that a friend can take back',
      { proving: { openingOneIn: 4 }, money: { collateralRounds: 8, repairRewardPpm: 500_001 } }
    ],
    ['more paid out than withheld before there is collateral', { money: { earnInPpm: 499_999 } }],
    [
      'a docket that is full before all is on it',
      { proving: { cureRounds: 3, leavesPerRoundMax: 64, docketLeavesMax: 191 } }
    ],
    ['rounds that may be as late as they are long', { roundLateMsMax: 10_000 }],
    ['two rounds with one beacon', { beacon: { periodMs: 10_001 } }],
    ['a beacon that begins after the network', { beacon: { genesisMs: PARAMETERS.genesisMs + 1 } }],
    ['a freeze after the beacon is out', { beacon: quicknet, roundLateMsMax: 7_001 }],
    ['a supply above the largest amount', { accounts: accounts(2n ** 127n), money: { stakeUnit: 2n ** 120n } }],
    ['stakes for nothing', { money: { stakeUnit: 0n } }],
    [
      'more places than a shuffle can take',
      { money: { stakeUnit: (9000n * CREDIT) / BigInt(VERIFIER_PLACES_MAX) - 1n } }
    ],
    ['verifiers that get more than who stores', { money: { verifierFeePpm: 500_001 } }],
    ['a round’s proof that fits no entry', { proving: { leavesPerRoundMax: LEAVES_PER_ROUND_MAX + 1 } }]
  ])('refuse %s', (_, changes) => {
    expect(networkParametersSchema.safeEncode(parametersWith(changes)).success).toBe(false)
  })

  it.each<[string, ParameterChanges]>([
    ['those of the tests', {}],
    ['drand’s quicknet', { beacon: quicknet, roundLateMsMax: 7_000 }],
    [
      'half of a forfeit for whoever takes over',
      { proving: { openingOneIn: 4 }, money: { collateralRounds: 8, repairRewardPpm: 500_000 } }
    ],
    ['one verifier', { proving: { verifiersPerDeal: 1, quorum: 1 } }],
    ['the largest supply', { accounts: accounts(2n ** 127n - 1n), money: { stakeUnit: 2n ** 120n } }]
  ])('take %s', (_, changes) => {
    expect(networkParametersSchema.safeEncode(parametersWith(changes)).success).toBe(true)
  })
})
