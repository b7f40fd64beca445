import { describe, expect, it } from 'vitest'
import { createLedgerState } from '../../src/ledger/state.ts'
import { expireIds, findUsedId, rememberId } from '../../src/ledger/used-ids.ts'
import { PARAMETERS } from './network-fixture.ts'

const used = (validUntilRound: number) => ({ commandHash: 'ab', sequence: 1, validUntilRound })

describe('used ids', () => {
  it('are forgotten bit by bit, and are as good as forgotten from the first', () => {
    const state = createLedgerState(PARAMETERS)
    for (let index = 0; index < 5000; index += 1) rememberId(state, `a/${index}`, used(3 + (index % 2)))
    state.round = 5
    expireIds(state)
    expect(findUsedId(state, 'a/7')).toBeUndefined()
    const left = state.usedIds.size
    expect(left).toBe(5000 - 1024)
    for (let index = 0; index < left; index += 1) rememberId(state, `b/${index}`, used(9))
    expect(state.usedIds.size).toBe(left)
    expect(state.expiredIds).toEqual([])
    expect(findUsedId(state, 'b/0')).toEqual(used(9))
  })

  it('that are used again while they wait to be forgotten are kept', () => {
    const state = createLedgerState(PARAMETERS)
    for (let index = 0; index < 3000; index += 1) rememberId(state, `a/${index}`, used(1))
    state.round = 2
    expireIds(state)
    const again = [...state.usedIds.keys()][0]!
    rememberId(state, again, used(8))
    for (let boundary = 0; boundary < 4; boundary += 1) expireIds(state)
    expect([...state.usedIds.keys()]).toEqual([again])
  })

  it('need nothing of the rounds that were passed over', () => {
    const state = createLedgerState(PARAMETERS)
    rememberId(state, 'a', used(1))
    rememberId(state, 'b', used(10 ** 12))
    state.round = 10 ** 12
    expireIds(state)
    expect([...state.usedIds.keys()]).toEqual(['b'])
  })
})
