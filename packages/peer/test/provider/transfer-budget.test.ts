/** Who gets room for a transfer, and who loses it. */
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createTransferBudget,
  STALLED_MS,
  type TransferBudget,
  type TransferRoom
} from '../../src/provider/transfer-budget.ts'

const MIB = 1024 * 1024
const LARGE = 1e9
const BUSY = { ok: false, code: 'BUSY' }

let nowMs: number
let budget: TransferBudget
let cut: string[]
beforeEach(() => {
  nowMs = 0
  cut = []
  // Four large transfers, two of one peer.
  budget = createTransferBudget({ bytesMax: 12 * MIB, bytesPerPeerMax: 6 * MIB, clock: { now: () => nowMs } })
})

const take = (name: string, sizeBytes = LARGE) => budget.take(name[0]!, sizeBytes, () => cut.push(name))

function taken(name: string, sizeBytes?: number): TransferRoom {
  const room = take(name, sizeBytes)
  if (!room.ok) throw new Error(`${name}: ${room.message}`)
  return room
}

/** Waits for its other side from now on. */
function stall(name: string): TransferRoom {
  const room = taken(name)
  room.waiting()
  return room
}

describe('transfers', () => {
  it('of one peer are bounded, and those of all', () => {
    const rooms = ['a1', 'a2'].map(name => taken(name))
    expect(take('a3', 1)).toMatchObject(BUSY)
    taken('b1')
    taken('c1')
    expect(take('d1', 1)).toMatchObject(BUSY)
    for (const room of [...rooms, ...rooms]) room.giveBack()
    expect(budget.takenBytes).toBe(6 * MIB)
    expect(take('a4', 10)).toMatchObject({ ok: true })
    expect(cut).toEqual([])
  })

  it('that stall give way to a newcomer: of the peer that holds most, the one that stalled longest', () => {
    stall('b1')
    stall('c1')
    nowMs = 1
    stall('a1')
    nowMs = 2
    stall('a2')
    nowMs = STALLED_MS
    expect(take('d1')).toMatchObject({ ok: true })
    expect(cut).toEqual(['b1']) // of those that have stalled for long enough
    nowMs += 5
    expect(take('d2')).toMatchObject({ ok: true })
    expect(cut).toEqual(['b1', 'a1'])
    expect(budget.takenBytes).toBe(12 * MIB)
  })

  it('that move are cut for nobody, and one that moved again is not stalled', () => {
    const rooms = ['a1', 'a2', 'b1', 'b2'].map(name => stall(name))
    nowMs = STALLED_MS - 1
    expect(take('c1')).toMatchObject(BUSY)
    rooms[0]!.working()
    rooms[1]!.waiting()
    rooms[2]!.waiting()
    rooms[3]!.waiting()
    nowMs = 2 * STALLED_MS - 2
    expect(take('c1')).toMatchObject(BUSY)
    expect(cut).toEqual([])
    nowMs += 1
    expect(take('c1')).toMatchObject({ ok: true })
    expect(cut).toEqual(['a2'])
  })

  it('of who holds less are not cut for who holds more', () => {
    for (const name of ['a1', 'b1', 'c1', 'd1']) stall(name)
    nowMs = STALLED_MS
    expect(take('a2')).toMatchObject(BUSY)
    expect(cut).toEqual([])
    expect(take('e1')).toMatchObject({ ok: true })
    expect(cut).toEqual(['a1'])
  })

  it('are cut only where that makes room enough, as many as it takes, and give back nothing twice', () => {
    const small = Array.from({ length: 6 }, (_, index) => {
      const room = taken(`${'ab'[index % 2]}${index}`, MIB)
      room.waiting()
      return room
    })
    taken('c1')
    taken('d1')
    nowMs = STALLED_MS
    expect(take('e1', 3 * MIB)).toMatchObject({ ok: true })
    expect(cut).toEqual(['a0', 'b1', 'a2'])
    for (const room of small) room.giveBack()
    expect(budget.takenBytes).toBe(9 * MIB)
  })
})
