import { expect, it } from 'vitest'
import { portableSignatureVerifier } from '../../src/identity.ts'
import { isRepairNotice, signRepairNotice } from '../../src/provider/repair-notice.ts'
import { pieceOf } from '../ledger/memory-pieces.ts'
import { OTHER_PROVIDER, PROVIDER, TestNetwork } from '../ledger/network-fixture.ts'

it('is the provider’s own word, about pieces of the deal', async () => {
  const network = new TestNetwork()
  await network.stakeAll()
  const { deal } = await network.openDealWithPieces()
  const { state } = network
  const lost = deal.pieces.map(({ cid }) => cid).slice(0, 1)
  const notice = signRepairNotice(state, PROVIDER, deal.id, lost)!
  const isGood = (changes: Partial<typeof notice> = {}) =>
    isRepairNotice(state, { ...notice, ...changes }, portableSignatureVerifier)
  expect(isGood()).toBe(true)
  expect(isGood({ round: state.round + 2 })).toBe(false)
  expect(isGood({ dealId: 99 })).toBe(false)
  expect(isGood({ pieces: [pieceOf('another').cid] })).toBe(false)
  expect(isGood(signRepairNotice(state, OTHER_PROVIDER, deal.id, lost)!)).toBe(false)
  expect(signRepairNotice(state, PROVIDER, deal.id, [])).toBeUndefined()
})
