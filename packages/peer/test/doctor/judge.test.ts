import { describe, expect, it } from 'vitest'
import { PARAMETERS } from '../../../core/test/ledger/network-fixture.ts'
import { judgeClock, judgeDisk, judgeLedger, judgePieces, judgeReachability } from '../../src/doctor/judge.ts'

const GIB = 2 ** 30

describe('the disk', () => {
  const facts = {
    path: '/d',
    freeBytes: 100 * GIB,
    allocatedBytes: 50 * GIB,
    usedBytes: 10 * GIB,
    reserveBytes: 2 * GIB
  }

  it('is well while all that was given fits', () => {
    expect(judgeDisk(facts)).toMatchObject({
      status: 'ok',
      message: '/d has 100.0 GiB free; 10.0 GiB of 50.0 GiB are in use.'
    })
    expect(judgeDisk({ ...facts, freeBytes: 42 * GIB }).status).toBe('ok')
  })

  it('warns when more was given than there is, and says how much is missing', () => {
    expect(judgeDisk({ ...facts, freeBytes: 40 * GIB })).toMatchObject({
      status: 'warning',
      advice: expect.stringContaining('Make 2.0 GiB of room')
    })
  })

  it('is a problem when ledger and index have no room', () => {
    expect(judgeDisk({ ...facts, freeBytes: GIB }).status).toBe('problem')
  })
})

describe('the pieces', () => {
  const audit = { passes: 0, readBytes: 0, totalBytes: 3 * GIB, challenges: 0, healed: 0, damaged: [] }
  const messageOf = (facts: Partial<typeof audit>) => judgePieces({ ...audit, ...facts }).message

  it('are said to be none, under way, or read', () => {
    expect(messageOf({ totalBytes: 0 })).toBe('No deal holds a piece here yet: nothing can rot.')
    expect(messageOf({})).toBe('The first reading of all 3.0 GiB of pieces is under way; nothing is damaged so far.')
    expect(messageOf({ passes: 1 })).toBe('All 3.0 GiB of pieces were read once; nothing is damaged.')
    expect(messageOf({ passes: 3 })).toBe('All 3.0 GiB of pieces were read 3 times; nothing is damaged.')
  })
})

describe('the clock', () => {
  const sample = (offsetMs: number) => ({
    member: 'host',
    theirTimeMs: 1_000_000,
    askedMs: 1_000_000 + offsetMs - 50,
    answeredMs: 1_000_000 + offsetMs + 50
  })

  it.each([
    [0, 'ok'],
    [4_900, 'ok'],
    [-6_000, 'warning'],
    [59_000, 'warning'],
    [61_000, 'problem'],
    [3_600_000, 'problem'],
    [-3_600_000, 'problem']
  ])('that is %d ms off is %s', (offsetMs, status) => {
    expect(judgeClock([sample(offsetMs)]).status).toBe(status)
  })

  it('is compared with most members, not with one that is wrong itself', () => {
    expect(judgeClock([sample(3_600_000), sample(10), sample(-20)]).status).toBe('ok')
    expect(judgeClock([sample(3_600_000), sample(3_600_100), sample(0)])).toMatchObject({
      status: 'problem',
      message: 'This clock is 3600 s ahead of that of 3 members.'
    })
  })

  it('is not judged when nobody answered', () => {
    expect(judgeClock([]).status).toBe('skipped')
  })
})

describe('the ledger', () => {
  const { genesisMs, roundMs } = PARAMETERS

  it('is well in its round and in the one before', () => {
    expect(judgeLedger({ parameters: PARAMETERS, round: 5, nowMs: genesisMs + 4.5 * roundMs }).status).toBe('ok')
    expect(judgeLedger({ parameters: PARAMETERS, round: 5, nowMs: genesisMs + 5.1 * roundMs }).status).toBe('ok')
  })

  it('is a problem when its rounds stand still', () => {
    expect(judgeLedger({ parameters: PARAMETERS, round: 5, nowMs: genesisMs + 7 * roundMs })).toMatchObject({
      status: 'problem',
      message: "The ledger's newest round is 5; by this clock it should be 8."
    })
  })
})

describe('reachability', () => {
  const facts = { addresses: ['/ip4/9.9.9.9/tcp/1'], seenFrom: '9.9.9.9', reached: undefined, reason: 'timed out' }

  it.each([
    [{ ...facts, reached: '/ip4/9.9.9.9/tcp/1' }, 'ok'],
    [facts, 'warning'],
    [{ ...facts, addresses: [] }, 'warning']
  ])('%j is %s', (reach, status) => {
    expect(judgeReachability(reach).status).toBe(status)
  })
})
