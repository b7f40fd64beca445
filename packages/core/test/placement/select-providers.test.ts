import { describe, expect, it } from 'vitest'
import type { Statement } from '../../src/ledger/statements.ts'
import type { Offer } from '../../src/placement/failure-domains.ts'
import { type ProviderMeasurement, UNMEASURED, withSample } from '../../src/placement/measurement.ts'
import type { PlacementNeeds } from '../../src/placement/needs.ts'
import { selectProviders } from '../../src/placement/select-providers.ts'
import type { Address } from '../../src/schema.ts'

const address = (letter: string) => `0x${letter.repeat(40)}` as Address

function ask(letter: string, changes: Partial<Offer> = {}): Offer {
  return {
    provider: address(letter),
    operator: address(letter),
    id: '00'.repeat(16),
    validUntilRound: 1,
    addresses: ['/memory/x'],
    region: '',
    pricePerLeafRound: 5n,
    capacityBytes: 100,
    ...changes
  }
}

const needs = { count: 2, sizeBytes: 100, excluded: new Map<Address, string>() }
const chosen = (placement: ReturnType<typeof selectProviders>) =>
  placement.ok ? placement.chosen.map(({ offer }) => offer.provider[2]).join('') : 'none'

describe('choosing providers', () => {
  it.each<[string, Statement<'Ask'>[], Partial<typeof needs> & { pricePerLeafRoundMax?: bigint }, string]>([
    [
      'takes the cheapest',
      [ask('a'), ask('b', { pricePerLeafRound: 4n }), ask('c', { pricePerLeafRound: 3n })],
      {},
      'cb'
    ],
    ['takes a price at the cap', [ask('a'), ask('b')], { pricePerLeafRoundMax: 5n }, 'ab'],
    ['leaves out a price above the cap', [ask('a'), ask('b')], { pricePerLeafRoundMax: 4n }, 'none'],
    ['takes room that is just enough', [ask('a'), ask('b')], { sizeBytes: 100 }, 'ab'],
    ['leaves out those without room', [ask('a'), ask('b', { capacityBytes: 99 }), ask('c')], {}, 'ac'],
    ['leaves out those without an address', [ask('a', { addresses: [] }), ask('b'), ask('c')], {}, 'bc'],
    [
      'leaves out the excluded',
      [ask('a'), ask('b'), ask('c')],
      { excluded: new Map([[address('b'), 'is slow']]) },
      'ac'
    ],
    ['needs enough of them', [ask('a')], {}, 'none'],
    ['takes none when none is needed', [], { count: 0 }, '']
  ])('%s', (_, asks, changes, expected) => {
    expect(chosen(selectProviders(asks, { ...needs, ...changes }))).toBe(expected)
  })

  it('keeps those that fit as well, cheapest first', () => {
    const placement = selectProviders([ask('a'), ask('b', { pricePerLeafRound: 9n }), ask('c'), ask('d')], needs)
    expect(placement.ok && placement.spare.map(({ provider }) => provider[2])).toEqual(['d', 'b'])
  })

  it('says why not, for each provider', () => {
    const excluded = new Map([[address('d'), 'failed before (no space)']])
    const asks = [
      ask('a', { addresses: [] }),
      ask('b', { capacityBytes: 7 }),
      ask('c', { pricePerLeafRound: 6n }),
      ask('d'),
      ask('e')
    ]
    const placement = selectProviders(asks, { ...needs, excluded, pricePerLeafRoundMax: 5n })
    if (placement.ok) throw new Error('placed')
    expect(placement.reason).toContain('2 providers are needed and 1 fits')
    expect(placement.rejected.map(({ provider, why }) => [provider[2], why])).toEqual([
      ['a', 'cannot be reached from outside'],
      ['b', 'offers 7 bytes, 100 are needed'],
      ['c', 'asks 6 atto for a leaf and round, above the cap of 5'],
      ['d', 'failed before (no space)']
    ])
  })
})

const v4 = (host: string) => [`/ip4/${host}/tcp/1`]
const measured = (...entries: Array<[string, Partial<ProviderMeasurement>]>) =>
  new Map(entries.map(([letter, measurement]) => [address(letter), { ...UNMEASURED, ...measurement }] as const))

describe('keeping replicas apart', () => {
  it.each<[string, Offer[], Partial<PlacementNeeds>, string]>([
    [
      'takes one of each operator',
      [ask('a', { operator: address('x') }), ask('b', { operator: address('x') }), ask('c')],
      {},
      'ac'
    ],
    [
      'takes one of each /24',
      [
        ask('a', { addresses: v4('9.9.9.1') }),
        ask('b', { addresses: v4('9.9.9.2') }),
        ask('c', { addresses: v4('9.9.8.1') })
      ],
      {},
      'ac'
    ],
    [
      'takes one of each /48',
      [
        ask('a', { addresses: ['/ip6/2001:db8:1::1/tcp/1'] }),
        ask('b', { addresses: ['/ip6/2001:0db8:0001:2::1/tcp/1'] }),
        ask('c', { addresses: ['/ip6/2001:db8:2::1/tcp/1'] })
      ],
      {},
      'ac'
    ],
    [
      'says nothing of the addresses of a lab',
      ['10.0.0.1', '10.0.0.2'].map((host, i) => ask('ab'[i]!, { addresses: v4(host) })),
      {},
      'ab'
    ],
    [
      'takes one of each region when that is wanted, and no region is one',
      [ask('a', { region: 'x' }), ask('b', { region: 'x' }), ask('c'), ask('d'), ask('e', { region: 'y' })],
      { distinct: ['region'], count: 3 },
      'ace'
    ],
    [
      'leaves a better one out when only so all fit',
      [
        ask('a', { operator: address('x'), addresses: v4('9.9.9.1') }),
        ask('b', { operator: address('x'), addresses: v4('9.9.8.1') }),
        ask('c', { operator: address('y'), addresses: v4('9.9.9.2') })
      ],
      {},
      'bc'
    ],
    [
      'keeps away from replicas that stand',
      [ask('a', { operator: address('x') }), ask('b', { operator: address('y') })],
      { count: 1, standing: [ask('f', { operator: address('x') })] },
      'b'
    ],
    [
      'gives all that up on request',
      [ask('a', { operator: address('x') }), ask('b', { operator: address('x') })],
      { distinct: [] },
      'ab'
    ],
    [
      'wants one that is reached without a relay',
      [
        ask('a', { addresses: ['/ip4/9.9.9.9/tcp/1/p2p/x/p2p-circuit'] }),
        ask('b', { addresses: ['/ip4/9.9.9.9/tcp/1/p2p/x/p2p-circuit'] }),
        ask('c')
      ],
      {},
      'ac'
    ],
    ['stays in the regions that are wanted', [ask('a'), ask('b', { region: 'x' })], { count: 1, regions: ['x'] }, 'b']
  ])('%s', (_, asks, changes, expected) => {
    expect(chosen(selectProviders(asks, { ...needs, ...changes }))).toBe(expected)
  })

  it('ends its search, however many fit too little', () => {
    const offers = Array.from({ length: 400 }, (_, i) =>
      ask('a', { provider: `0x${i.toString(16).padStart(40, '0')}`, operator: address(`${i % 9}`), region: `${i % 7}` })
    )
    const before = process.cpuUsage()
    const placement = selectProviders(offers, { ...needs, count: 8, distinct: ['operator', 'region'] })
    expect(placement.ok).toBe(false)
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000)
  })
})

describe('of equal offers', () => {
  /** Names of a sort, in an order of their own. */
  const many = (sort: string, count: number) =>
    Array.from({ length: count }, (_, at) => {
      const provider = `0x${sort}${at.toString(16).padStart(39, '0')}` as Address
      return ask('a', { provider, operator: provider })
    })
  const draws = Array.from({ length: 4000 }, (_, at) => `object ${at}`)

  it('the choice is drawn, the same for the same object and whatever order they are read in', () => {
    const offers = many('a', 5)
    const chosenOf = (from: Offer[], draw: string) => {
      const placement = selectProviders(from, { ...needs, draw })
      return placement.ok ? placement.chosen.map(({ offer }) => offer.provider).join() : 'none'
    }
    const names = draws.slice(0, 200).map(draw => chosenOf(offers, draw))
    expect(draws.slice(0, 200).map(draw => chosenOf(offers.toReversed(), draw))).toEqual(names)
    // Of two out of five, in order.
    expect(new Set(names).size).toBe(20)
  })

  it.each([
    [0.2, 2],
    [0.5, 3],
    [0.8, 3]
  ])(
    'an attacker with %d of the identities, and all the lowest addresses, rarely gets all of %i replicas',
    (share, count) => {
      const attackers = many('0', 40 * share)
      const offers = [...many('f', 40 - attackers.length), ...attackers]
      const isHis = ({ offer }: { readonly offer: Offer }) => offer.provider.startsWith('0x0')
      const won = draws.filter(draw => {
        const placement = selectProviders(offers, { ...needs, count, draw })
        return placement.ok && placement.chosen.every(isHis)
      })
      expect(won.length / draws.length).toBeLessThan(1.1 * share ** count)
      expect(won.length).toBeGreaterThan(0)
    }
  )
})

describe('measurements', () => {
  const asks = [ask('a'), ask('b'), ask('c')]

  it('decide between equal prices: no failures, then the fastest', () => {
    const measurements = measured(
      ['a', { failures: 1, uploadBytesPerSecond: 9e6 }],
      ['b', { uploadBytesPerSecond: 1e6 }],
      ['c', { uploadBytesPerSecond: 2e6 }]
    )
    expect(chosen(selectProviders(asks, { ...needs, measurements }))).toBe('cb')
  })

  it('say why a provider was chosen', () => {
    const measurements = measured(['a', { uploadBytesPerSecond: 2_500_000, latencyMs: 12.4 }])
    const placement = selectProviders([ask('a', { region: 'eu' })], { ...needs, count: 1, measurements })
    expect(placement.ok && placement.chosen[0]?.why).toBe(
      'asks 5 atto for a leaf and round, region eu, answers after 12 ms, takes 2.5 MB/s'
    )
  })

  it('are mixed, forgive with success, and do not take a small transfer for a speed', () => {
    let measurement = withSample(UNMEASURED, { kind: 'failure' })
    expect(measurement.failures).toBe(1)
    measurement = withSample(measurement, { kind: 'download', bytes: 100, ms: 1 })
    expect(measurement).toEqual(UNMEASURED)
    measurement = withSample(measurement, { kind: 'download', bytes: 1_000_000, ms: 1000 })
    measurement = withSample(measurement, { kind: 'download', bytes: 2_000_000, ms: 1000 })
    expect(measurement.downloadBytesPerSecond).toBe(1_400_000)
    expect(withSample(measurement, { kind: 'latency', ms: 7 }).latencyMs).toBe(7)
  })
})

describe('a placement that does not work', () => {
  const regions = (['a', 'b', 'c', 'd'] as const).map((letter, i) => ask(letter, { region: ['x', 'y', 'z', 'z'][i]! }))
  const latencies = measured(
    ['a', { latencyMs: 20 }],
    ['b', { latencyMs: 40 }],
    ['c', { latencyMs: 74 }],
    ['d', { latencyMs: 90 }]
  )
  const apart: PlacementNeeds = { ...needs, count: 3, distinct: ['region'], measurements: latencies }

  function refusal(offers: Offer[], wishes: PlacementNeeds) {
    const placement = selectProviders(offers, wishes)
    if (placement.ok) throw new Error('placed')
    return placement
  }

  it('names what is missing and the nearest relaxation', () => {
    const { reason, relaxations } = refusal(regions, { ...apart, latencyMsMax: 60 })
    expect(reason).toContain('no third region under 60 ms; the nearest relaxation is 74 ms')
    expect(relaxations.map(({ constraint, nearest }) => [constraint, nearest])).toEqual([['latencyMsMax', '74 ms']])
    expect(chosen(selectProviders(regions, relaxations[0]!.needs))).toBe('abc')
  })

  it('takes the least of several relaxations, numbers before what is given up whole', () => {
    const dear = regions.map((one, i) => ({ ...one, pricePerLeafRound: BigInt(5 + i) }))
    const { relaxations, reason } = refusal(dear.slice(0, 3), { ...apart, pricePerLeafRoundMax: 6n })
    expect(relaxations.map(({ nearest }) => nearest)).toEqual(['7 atto'])
    expect(reason).toContain('for 6 atto a leaf and round; the nearest relaxation is 7 atto')
    const same = refusal([ask('a', { region: 'x' }), ask('b', { region: 'x' })], { ...needs, distinct: ['region'] })
    expect(same.reason).toContain('no second region of a region of its own'.slice(0, 16))
    expect(same.relaxations.map(({ constraint }) => constraint)).toEqual(['distinct'])
  })

  it('finds throughput and regions that would do', () => {
    const measurements = measured(['a', { uploadBytesPerSecond: 3e6 }], ['b', { uploadBytesPerSecond: 5e6 }])
    const slow = refusal([ask('a'), ask('b')], { ...needs, measurements, uploadBytesPerSecondMin: 4e6 })
    expect(slow.reason).toContain('no second provider with 4.0 MB/s or more; the nearest relaxation is 3.0 MB/s')
    const away = refusal([ask('a', { region: 'x' }), ask('b', { region: 'y' })], { ...needs, regions: ['x'] })
    expect(away.relaxations.map(({ constraint }) => constraint)).toEqual(['regions'])
  })

  it('offers no relaxation where none would do', () => {
    expect(refusal([ask('a')], { ...needs, latencyMsMax: 5 })).toMatchObject({
      relaxations: [],
      reason: expect.stringContaining('has no measured latency yet')
    })
  })
})
