import { describe, expect, it } from 'vitest'
import { decideOutcome, type RoundEvidence } from '../../src/rounds/outcome.ts'

const QUORUM = { kind: 'proved', by: 'quorum' } as const
const SELF = { kind: 'proved', by: 'self-proof' } as const
const VOID = { kind: 'void' } as const
const fault = (reason: string) => ({ kind: 'fault', reason })

type Row = [evidence: Partial<RoundEvidence>, outcome: object]

describe('the outcome of a round', () => {
  it.each<Row>([
    [{ verdicts: ['pass', 'pass', undefined] }, QUORUM],
    [{ verdicts: ['pass', 'pass', 'bad proof'] }, QUORUM],
    [{ verdicts: ['pass', 'pass', 'pass'], closedLate: true }, QUORUM],
    [{ verdicts: ['pass', 'pass', 'pass'], mustOpen: true }, fault('not opened')],
    [{ verdicts: ['pass', 'pass', 'pass'], mustOpen: true, closedLate: true }, VOID],
    [{ verdicts: ['bad proof', 'bad proof', 'bad proof'], selfProved: true }, SELF],
    [{ verdicts: [], selfProved: true, mustOpen: true, closedLate: true }, SELF],
    [{ verdicts: ['pass', undefined, undefined] }, fault('no quorum')],
    [{ verdicts: ['pass', 'no answer', 'no answer'] }, fault('no quorum')],
    [{ verdicts: ['pass', 'bad proof', undefined] }, fault('bad proof')],
    [{ verdicts: ['no answer', 'no answer', 'bad proof'] }, fault('bad proof')],
    [{ verdicts: ['no answer', undefined, 'no answer'] }, fault('no answer')],
    [{ verdicts: [undefined, undefined, undefined] }, fault('no answer')],
    [{ verdicts: [] }, fault('no answer')],
    [{ verdicts: [undefined, undefined, undefined], closedLate: true }, VOID],
    [{ verdicts: ['bad proof', 'bad proof', 'bad proof'], closedLate: true }, VOID]
  ])('%j is %j', (evidence, outcome) => {
    const silent = { verdicts: [], quorum: 2, selfProved: false, mustOpen: false, closedLate: false }
    expect(decideOutcome({ ...silent, ...evidence })).toEqual(outcome)
  })
})
