import { describe, expect, test } from 'vitest'
import { type FuzzTarget, fuzz } from './fuzz.ts'
import { fuzzTargets } from './targets.ts'

describe('foreign bytes never break a promise', () => {
  test.each(fuzzTargets)('$name', target => {
    fuzz(target, { seed: 20_260_801, first: 0, count: 1500 })
  })
})

describe('the fuzzer itself', () => {
  const inputs: string[] = []
  const target: FuzzTarget = {
    name: 'test',
    samples: [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), new Uint8Array()],
    run: input => inputs.push(Buffer.from(input).toString('hex'))
  }

  test('makes the same cases of the same seed, one by one too', () => {
    fuzz(target, { seed: 5, first: 0, count: 200 })
    const all = inputs.splice(0)
    for (let first = 0; first < 200; first++) fuzz(target, { seed: 5, first, count: 1 })
    expect(inputs).toEqual(all)
    expect(new Set(all).size).toBeGreaterThan(80)
  })

  test('says how to repeat what failed', () => {
    const failing = {
      ...target,
      run(input: Uint8Array) {
        if (input.length > 8) throw new Error('too long')
      }
    }
    expect(() => fuzz(failing, { seed: 5, first: 0, count: 200 })).toThrow(
      /again: npm run fuzz -- test --seed 5 --first \d+ --count 1$/
    )
  })
})
