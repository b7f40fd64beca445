/** Tells a client which pieces of its deals this provider has lost and cannot get again by itself. */
import { addressOfPeer, type HandlerContext, type Reply, type repairNotices, signRepairNotice } from '@holdfast/core'
import type { z } from 'zod'
import type { ProviderComponents } from './components.ts'

type Question = z.output<typeof repairNotices.request>
type Notices = z.output<typeof repairNotices.response>

/** Of deals that are not the asker's, nothing is said. */
export function answerNotices(
  { ledger, signer, lost: losses }: Pick<ProviderComponents, 'ledger' | 'signer' | 'lost'>,
  { dealIds }: Question,
  { remotePeer }: HandlerContext
): Reply<Notices> {
  const { state } = ledger
  const client = addressOfPeer(remotePeer)
  const lost = new Set(losses?.list())
  const notices = [...new Set(dealIds)].flatMap(dealId => {
    const deal = state.deals.get(dealId)
    if (deal === undefined || deal.provider !== signer.address || deal.client !== client) return []
    const pieces = deal.pieces.map(({ cid }) => cid).filter(cid => lost.has(cid.toString()))
    return signRepairNotice(state, signer, dealId, pieces) ?? []
  })
  return { ok: true, value: { notices } }
}
