import { leafCountOf } from '@holdfast/proofs'
import { describe, expect, it } from 'vitest'
import { judgeUpload, type Lease } from '../../src/provider/judge-upload.ts'
import { CREDIT, PROVIDER, TestNetwork } from '../ledger/network-fixture.ts'

const LIMITS = { bytesMax: 10_000_000, bytesPerClientMax: 4_000_000 }
const PIECE_BYTES = 1_000_000

let network = new TestNetwork()

const leaseOf = (dealId: number, rawBytes: number): Lease => ({ dealId, rawBytes, leafCount: leafCountOf(rawBytes) })

/** Judges a piece under a deal of this price by a client that has 1000 credits. */
async function judge(pricePerLeafRound: bigint, leases: Lease[] = [], escrow = 0n) {
  network = new TestNetwork()
  await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER, { pricePerLeafRound, escrow }))
  return judgeUpload(network.state.deals.get(1)!, PIECE_BYTES, leases, LIMITS, network.state)?.code
}

describe('bytes that no order covers', () => {
  it('are taken when the client could pay for their notice period, from its account or its escrow', async () => {
    expect(await judge(100n, [], 0n)).toBeUndefined()
    expect(await judge(100n, [], 999n * CREDIT)).toBeUndefined()
  })

  it('are refused when it could not, to the atto', async () => {
    const { noticeRounds } = network.parameters.money
    const price = (1000n * CREDIT) / (BigInt(leafCountOf(PIECE_BYTES)) * BigInt(noticeRounds + 1))
    expect(await judge(price)).toBeUndefined()
    expect(await judge(price + 1n)).toBe('NOT_FUNDED')
  })

  it('count together with what the client has leased already, under any deal', async () => {
    const { noticeRounds } = network.parameters.money
    const price = (1000n * CREDIT) / (BigInt(leafCountOf(PIECE_BYTES)) * BigInt(noticeRounds + 1))
    expect(await judge(price, [leaseOf(1, 127)])).toBe('NOT_FUNDED')
  })

  it('are bounded for one client, and for all', async () => {
    expect(await judge(1n, [leaseOf(1, 3_000_001)])).toBe('TOO_MANY_LEASES')
  })

  it('of others do not count against the client, but against all', async () => {
    expect(await judge(1n, [leaseOf(9, 9_000_000)])).toBeUndefined()
    const deal = network.state.deals.get(1)!
    const code = (bytes: number) => judgeUpload(deal, PIECE_BYTES, [leaseOf(9, bytes)], LIMITS, network.state)?.code
    expect(code(9_000_000)).toBeUndefined()
    expect(code(9_000_001)).toBe('TOO_MANY_LEASES')
  })
})
