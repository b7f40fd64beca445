import { fc, test } from '@fast-check/vitest'
import { parseCredits } from '@holdfast/core'
import { expect, it } from 'vitest'
import { formatAmount, formatSize } from '../src/units.ts'

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [1024 ** 2 - 1, '1.0 MiB'],
  [1023.9 * 1024, '1023.9 KiB'],
  [1024 ** 3, '1.0 GiB'],
  [1024 ** 6, '1024.0 PiB']
])('%d bytes are %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text)
})

test.prop([fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })])('a size never shows 1024 of a unit', bytes => {
  expect(Number(formatSize(bytes).split(' ')[0])).toBeLessThan(1024)
})

it.each([
  [0n, 6, '0.000000'],
  [1_500_000_000_000_000_000n, 2, '1.50'],
  [1_999_999_999_999_999_999n, 6, '1.999999'],
  [1n, 18, '0.000000000000000001'],
  [1n, 6, '0.000000000000000001'],
  [340_000_000_000n, 6, '0.000000340'],
  [1_980_000_000_000n, 6, '0.00000198'],
  [1_234_567_000_000_000n, 6, '0.001234'],
  [0n, 6, '0.000000']
])('%d atto with %d decimals are %s', (atto, decimals, text) => {
  expect(formatAmount(atto, decimals)).toBe(text)
})

test.prop([fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), fc.integer({ min: 1, max: 18 })])(
  'an amount is cut off, never rounded up, and by less than one of its last decimals',
  (atto, decimals) => {
    const shown = parseCredits(formatAmount(atto, decimals))
    expect(shown).toBeLessThanOrEqual(atto)
    expect(atto - shown).toBeLessThan(10n ** BigInt(18 - decimals))
  }
)
