/**
 * The memory of ids: one works once, for as long as its statement is valid. Forgotten bit by bit, so that no entry is long
 * when many expire at once; one that waits to be forgotten is as good as forgotten.
 */
import type { LedgerState, UsedId } from './state.ts'

/** Ids that one command forgets at most: more than it adds, so that the memory shrinks. */
const FORGET_PER_COMMAND = 2
/** Ids that one boundary forgets at most, when no commands come. */
const FORGET_PER_BOUNDARY = 1024

/** @returns the statement that used the id, unless it has expired */
export function findUsedId(state: LedgerState, key: string): UsedId | undefined {
  const used = state.usedIds.get(key)
  return used === undefined || used.validUntilRound < state.round ? undefined : used
}

export function rememberId(state: LedgerState, key: string, used: UsedId): void {
  state.usedIds.set(key, used)
  const keys = state.idsByRound.get(used.validUntilRound)
  if (keys === undefined) state.idsByRound.set(used.validUntilRound, [key])
  else keys.push(key)
  forget(state, FORGET_PER_COMMAND)
}

/** Sets aside the ids whose last round is over, and forgets the first of them. */
export function expireIds(state: LedgerState): void {
  for (const [round, keys] of state.idsByRound) {
    if (round >= state.round) continue
    state.expiredIds.push(keys)
    state.idsByRound.delete(round)
  }
  forget(state, FORGET_PER_BOUNDARY)
}

function forget(state: LedgerState, count: number): void {
  for (let forgotten = 0; forgotten < count; forgotten += 1) {
    const keys = state.expiredIds[0]
    if (keys === undefined) return
    const key = keys.pop()!
    if (keys.length === 0) state.expiredIds.shift()
    // The id may have been used again since.
    if (findUsedId(state, key) === undefined) state.usedIds.delete(key)
  }
}
