import { describe, expect, it } from 'vitest'
import { createStatusLine } from '../../src/cli/status-line.ts'
import type { VerifierQuote } from '../../src/verifier/quote-verifier.ts'
import { emptyRound, type VerifierRound } from '../../src/verifier/round-book.ts'
import { describeDial, describeRound, incomeFacts } from '../../src/views/verifier-screens.ts'

const CREDIT = 10n ** 18n

const ROUND: VerifierRound = emptyRound(7, 3)

const QUOTE: VerifierQuote = {
  network: 'test',
  verifier: `0x${'11'.repeat(20)}`,
  round: 7,
  roundMs: 3_600_000,
  roundsPerDay: 24,
  verifierFeePpm: 50_000,
  stake: 200n * CREDIT,
  expected: {
    places: 2,
    placesOfAll: 10,
    operators: 5,
    verifiersPerDeal: 3,
    deals: 40,
    dealsAssigned: 12.04,
    perRound: 12_040_000_000_000_000n,
    perDeal: CREDIT / 1000n,
    cost: { leaves: 20, proofBytes: 17_000, nodeHashes: 520 },
    risk: { silence: CREDIT / 10n, refutation: 100n * CREDIT, openingsToRelease: 34 }
  },
  perDay: 288_960_000_000_000_000n,
  cost: {
    hasher: 'native',
    cpuMsPerDeal: 0.25,
    cpuMsPerDay: 72.2,
    receivedBytesPerDay: 4_912_320,
    keptBytes: 5_117_000,
    attestationsPerDay: 24
  },
  roundsLostBySilence: 8
}

describe('the figures', () => {
  it('show their arithmetic', () => {
    const facts = Object.fromEntries(incomeFacts(QUOTE).filter(([name]) => name !== ''))
    expect(facts).toMatchObject({
      stake: '200.000000 credits: 2 of 10 places, 5 operators',
      assigned: '12.0 of 40 deals in a round of 60.0 min: each takes 3 operators, drawn by their places',
      earns: '0.001000 credits for a deal and round: 5 % of its price among 3',
      'a round': '12.0 × 0.001000 = 0.012040 credits, if every deal answers',
      'a day': '24 rounds × 0.012040 = 0.288960 credits'
    })
    expect(facts.risks).toContain('what 8 rounds earn')
  })

  it('say why nothing is earned yet', () => {
    const expected = { ...QUOTE.expected, operators: 1, dealsAssigned: 0, perRound: 0n, perDeal: 0n }
    const facts = new Map(incomeFacts({ ...QUOTE, expected, roundsLostBySilence: undefined }))
    expect(facts.get('assigned')).toBe('nothing yet: a deal needs 3 operators, and with you there are 1')
    expect(facts.get('risks')).not.toContain('what')
  })
})

describe('a round in one line', () => {
  it('follows what comes, and ends with what it brought', () => {
    expect(describeRound({ ...ROUND, passed: 1 }, 1_000)).toBe('round 7: 3 deals, 1 passed, 2 to come')
    expect(describeRound({ ...ROUND, passed: 1, bad: 1, noAnswer: 1, attestedMs: 2_500 }, 1_000)).toBe(
      'round 7: 3 deals, 1 passed, 1 BAD, 1 no answer, attested after 1.5 s'
    )
    expect(describeRound({ ...ROUND, passed: 3, attestedMs: 2_500, isClosed: true, fees: CREDIT }, 1_000)).toBe(
      'round 7: 3 deals, 3 passed, attested after 1.5 s, +1.000000 credits'
    )
  })

  it('says loudly that nothing was attested', () => {
    expect(describeRound({ ...ROUND, isClosed: true, penalty: CREDIT }, 1_000)).toBe(
      'round 7: 3 deals, 0 passed, NOT ATTESTED, +0.000000 credits, −1.000000 of stake for silence'
    )
    expect(describeRound({ ...ROUND, refusal: 'too late' }, 1_000)).toContain('NOT ATTESTED: too late')
  })
})

it('a dial in one line says when, whom, where, what for and what came', () => {
  const dial = {
    round: 7,
    provider: `0x${'22'.repeat(20)}`,
    dealIds: [1, 4],
    addresses: ['/ip4/192.0.2.1/tcp/4740'],
    fromMs: 0,
    untilMs: 1_500
  } as const
  const silent = { ...dial, dealIds: [...dial.dealIds], addresses: [...dial.addresses] }
  expect(describeDial({ ...silent, outcome: { kind: 'no answer', code: 'TIMED_OUT', reason: 'silence' } })).toBe(
    `1970-01-01T00:00:00.000Z for 1.5 s, 0x${'22'.repeat(20)} at /ip4/192.0.2.1/tcp/4740, deals 1, 4: no answer: TIMED_OUT silence`
  )
  expect(describeDial({ ...silent, addresses: [], outcome: { kind: 'answered', proofs: 1 } })).toContain(
    'at no address, deals 1, 4: 1 proof came'
  )
  expect(describeDial({ ...silent, outcome: { kind: 'refused', code: 'NO_ACCOUNT', message: 'who?' } })).toContain(
    'refused: NO_ACCOUNT who?'
  )
})

describe('a status line', () => {
  function terminal(isTTY: boolean, columns: number) {
    let text = ''
    return {
      isTTY,
      columns,
      write(chunk: unknown) {
        text += String(chunk)
        return true
      },
      get text() {
        return text
      }
    }
  }

  it('is written over, cut to the width, and stays below what is printed', () => {
    const stream = terminal(true, 10)
    const line = createStatusLine(stream)
    line.print('first')
    line.show('0123456789abc')
    line.print('second')
    line.show('\u001b[31mred')
    expect(stream.text).toBe('first\n\r\u001b[2K012345678\r\u001b[2Ksecond\n012345678\r\u001b[2K\\u001b[31')
  })

  it('is not shown where nobody could write over it', () => {
    const stream = terminal(false, 0)
    const line = createStatusLine(stream)
    line.show('one')
    line.print('two')
    expect(stream.text).toBe('two\n')
  })
})
