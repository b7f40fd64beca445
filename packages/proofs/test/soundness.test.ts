import { describe, expect, test } from 'vitest'
import { detectionProbability, samplesFor } from '../src/index.ts'
import { assertProperty, fc } from './property.ts'

const anyFraction = fc.double({ min: 1e-6, max: 0.999, noNaN: true })

describe('samplesFor', () => {
  test('is the smallest number that reaches the confidence', () => {
    assertProperty(
      fc.property(anyFraction, anyFraction, (lossFraction, confidence) => {
        const samples = samplesFor({ lossFraction, confidence })
        expect(detectionProbability({ lossFraction, samples })).toBeGreaterThanOrEqual(confidence * (1 - 1e-12))
        expect(detectionProbability({ lossFraction, samples: samples - 1 })).toBeLessThan(confidence)
      })
    )
  })

  test('is exact where the logarithms are not', () => {
    for (let halves = 1; halves < 40; halves++)
      expect(samplesFor({ lossFraction: 0.5, confidence: 1 - 2 ** -halves })).toBe(halves)
    expect(samplesFor({ lossFraction: 0.9, confidence: 0.1 })).toBe(1)
  })

  test('refuses what is no fraction', () => {
    for (const value of [0, 1, -0.5, 2, Number.NaN]) {
      expect(() => samplesFor({ lossFraction: value, confidence: 0.5 })).toThrow(RangeError)
      expect(() => samplesFor({ lossFraction: 0.5, confidence: value })).toThrow(RangeError)
    }
    expect(() => samplesFor({ lossFraction: '0.5' as never, confidence: 0.5 })).toThrow(TypeError)
  })
})

test('detectionProbability is what PDP finds with five draws a day', () => {
  expect(detectionProbability({ lossFraction: 0.01, samples: 5 })).toBeCloseTo(0.049, 3)
  expect(detectionProbability({ lossFraction: 0.1, samples: 0 })).toBe(0)
  expect(() => detectionProbability({ lossFraction: 0.1, samples: -1 })).toThrow(RangeError)
  expect(() => detectionProbability({ lossFraction: 0.1, samples: 0.5 })).toThrow(RangeError)
})
