import { fc, it as property } from '@fast-check/vitest'
import { expect, it } from 'vitest'
import { AUDIT_BYTES_PER_SECOND_MAX, auditPauseMs, pieceAtCursor } from '../../src/provider/self-audit.ts'

const DAY_MS = 86_400_000
const MIB = 1024 * 1024

property.prop([
  fc.array(fc.integer({ min: 1, max: 260_000 }), { minLength: 1, maxLength: 200 }),
  fc.integer({ min: 1, max: 365 })
])('a pass over everything takes four fifths of its time, whatever the steps are', (steps, days) => {
  const total = steps.reduce((sum, step) => sum + step, 0)
  const restedMs = steps.reduce((sum, step) => sum + auditPauseMs(step, total, days * DAY_MS), 0)
  expect(restedMs).toBeCloseTo(0.8 * days * DAY_MS, -1)
})

it('is never faster than what is still in the background, and takes longer then', () => {
  const terabytes = 64 * 1024 * 1024 * MIB
  expect(auditPauseMs(MIB, terabytes, DAY_MS)).toBe((MIB * 1000) / AUDIT_BYTES_PER_SECOND_MAX)
  expect(auditPauseMs(0, 0, DAY_MS)).toBe(0.8 * DAY_MS)
})

it('goes on at the piece of the cursor, or at the next one when that is gone', () => {
  const pieces = ['a', 'c', 'e'].map(name => ({ name }))
  expect(['', 'c', 'd', 'f'].map(piece => pieceAtCursor(pieces, { piece })?.name)).toEqual(['a', 'c', 'e', undefined])
})
