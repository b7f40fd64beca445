/** What can be made again of what providers say they lost. */
import { expect, it } from 'vitest'
import type { HeldPiece } from '../../src/client/object-deals.ts'
import { planRepairs } from '../../src/client/plan-repairs.ts'
import type { Deal, DealPiece } from '../../src/ledger/state.ts'
import type { RepairNotice } from '../../src/protocols/definitions.ts'
import { pieceOf } from '../ledger/memory-pieces.ts'

interface Debt {
  readonly docket?: number
  readonly faulted?: number
}

/** A replica's piece in the deal of that number; each replica of each piece is other bytes. */
function held(dealId: number, replica: number, piece: number, { docket = 0, faulted = 0 }: Debt = {}): HeldPiece {
  const { cid, rawSize } = pieceOf(`${replica}/${piece}`, 3000 + piece)
  const deal = {
    id: dealId,
    docket: new Array(docket),
    rounds: { proved: 0, faulted, void: 0 }
  } as Partial<Deal> as Deal
  return { place: { replica, piece }, deal, piece: { cid, rawSize } as Partial<DealPiece> as DealPiece }
}

const notice = (dealId: number, ...pieces: HeldPiece[]): RepairNotice => ({
  dealId,
  round: 1,
  pieces: pieces.map(({ piece }) => piece.cid),
  signature: new Uint8Array(65)
})

const plan = (pieces: HeldPiece[], ...notices: RepairNotice[]) =>
  planRepairs(pieces, notices).map(({ lost, sources }) => [
    `${lost.deal.id}/${lost.place.piece}`,
    sources.map(source => source.deal.id)
  ])

it('takes the same piece of other replicas, those first that owe nothing and missed least', () => {
  const pieces = [
    held(1, 0, 0),
    held(1, 0, 1),
    held(2, 1, 0, { docket: 3 }),
    held(2, 1, 1),
    held(3, 2, 0, { faulted: 1 }),
    held(4, 3, 0)
  ]
  expect(plan(pieces, notice(1, pieces[0]!))).toEqual([['1/0', [4, 3, 2]]])
  expect(plan(pieces, notice(1, pieces[1]!))).toEqual([['1/1', [2]]])
})

it('takes nothing that is lost as well, nothing of another size, and plans nothing for what is another deal’s', () => {
  const pieces = [held(1, 0, 0), held(2, 1, 0)]
  const [first, second] = pieces
  expect(plan(pieces, notice(1, first!), notice(2, second!))).toEqual([
    ['1/0', []],
    ['2/0', []]
  ])
  const larger = { ...second!, piece: { ...second!.piece, rawSize: 9 } }
  expect(plan([first!, larger], notice(1, first!))).toEqual([['1/0', []]])
  expect(plan(pieces, notice(3, first!))).toEqual([])
  expect(plan(pieces)).toEqual([])
})
