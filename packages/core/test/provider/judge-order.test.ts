import type { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { judgeDealOrder, judgePiecesOrder } from '../../src/provider/judge-order.ts'
import { roundOpensMs } from '../../src/rounds/schedule.ts'
import { pieceOf, rootOf } from '../ledger/memory-pieces.ts'
import { CLIENT, OTHER_PROVIDER, PROVIDER, STRANGER, TestNetwork } from '../ledger/network-fixture.ts'

const TERMS = { address: PROVIDER.address, pricePerLeafRoundMin: 100n, leavesPerRoundMax: 20 }
const PIECE = pieceOf('a')

describe('a provider asked to open a deal', () => {
  const order = {
    client: CLIENT.address,
    provider: PROVIDER.address,
    id: '00'.repeat(16),
    validUntilRound: 3,
    pricePerLeafRound: 100n,
    leavesPerRound: 20,
    escrow: 0n
  }

  it.each([
    [{}, undefined],
    [{ provider: OTHER_PROVIDER.address }, 'NOT_FOR_ME'],
    [{ pricePerLeafRound: 99n }, 'PRICE_TOO_LOW'],
    [{ leavesPerRound: 21 }, 'TOO_MANY_LEAVES']
  ])('with %o says %s', (changes, code) => {
    expect(judgeDealOrder({ ...order, ...changes }, TERMS)?.code).toBe(code)
  })
})

describe('a provider asked to take pieces', () => {
  it('insists on its own deal, on having the bytes, and on having them for as long as the order lives', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
    const { parameters, state } = network
    const order = {
      client: CLIENT.address,
      id: '00'.repeat(16),
      validUntilRound: 3,
      dealId: 1,
      pieces: [PIECE.cid, pieceOf('b').cid],
      labels: [rootOf('object').bytes, rootOf('denied').bytes],
      deposit: 0n
    }
    const kept = { leaseUntilMs: undefined }
    const untilOrderEnds = { leaseUntilMs: roundOpensMs(parameters, 4) }
    const tooShort = { leaseUntilMs: roundOpensMs(parameters, 4) - 1 }
    const codeOf = (changes: Partial<typeof order>, held: Parameters<typeof judgePiecesOrder>[1]) =>
      judgePiecesOrder({ ...order, ...changes }, held, state, TERMS)?.code
    expect(codeOf({}, [kept, untilOrderEnds])).toBeUndefined()
    expect(codeOf({}, [kept, tooShort])).toBe('ORDER_TOO_LONG')
    expect(codeOf({}, [kept, undefined])).toBe('PIECE_MISSING')
    for (const denied of [PIECE.cid, rootOf('denied')]) {
      const denying = { ...TERMS, denies: (cid: CID) => cid.equals(denied) }
      expect(judgePiecesOrder(order, [kept, kept], state, denying)?.code).toBe('DENIED')
    }
    expect(codeOf({ dealId: 2 }, [kept, kept])).toBe('NO_DEAL')
    expect(codeOf({ client: STRANGER.address }, [kept, kept])).toBe('NO_DEAL')
    await network.take(network.endDeal(CLIENT, 1))
    expect(codeOf({}, [kept, kept])).toBe('DEAL_NOT_ACTIVE')
  })
})
