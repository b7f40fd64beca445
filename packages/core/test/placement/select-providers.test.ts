import { describe, expect, it } from 'vitest'
import type { Statement } from '../../src/ledger/statements.ts'
import { selectProviders } from '../../src/placement/select-providers.ts'
import type { Address } from '../../src/schema.ts'

const address = (letter: string) => `0x${letter.repeat(40)}` as Address

function ask(letter: string, changes: Partial<Statement<'Ask'>> = {}): Statement<'Ask'> {
  return {
    provider: address(letter),
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
  placement.ok ? placement.chosen.map(({ provider }) => provider[2]).join('') : 'none'

describe('choosing providers', () => {
  it.each<[string, Statement<'Ask'>[], Partial<typeof needs> & { pricePerLeafRoundMax?: bigint }, string]>([
    [
      'takes the cheapest',
      [ask('a'), ask('b', { pricePerLeafRound: 4n }), ask('c', { pricePerLeafRound: 3n })],
      {},
      'cb'
    ],
    ['breaks ties by address, in any order', [ask('c'), ask('a'), ask('b')], {}, 'ab'],
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
