/** Signs orders, or says why not. What an order makes public can be read from then on. */
import {
  judgeDealOrder,
  judgePiecesOrder,
  type proposeDeal,
  type Refusal,
  type Reply,
  refuse,
  type Statement,
  statementDigestOf
} from '@holdfast/core'
import type { z } from 'zod'
import type { ProviderComponents } from './components.ts'
import { publicRootOf } from './piece-label.ts'

type Proposal = z.output<typeof proposeDeal.request>

export async function answerProposal(
  components: ProviderComponents,
  proposal: Proposal
): Promise<Reply<{ acceptance: Uint8Array }>> {
  const { ledger, signer, signatures } = components
  const digestOf = statementDigestOf(ledger.state)
  const order =
    proposal.kind === 'DealOrder'
      ? digestOf('DealOrder', proposal.statement)
      : digestOf('PiecesOrder', proposal.statement)
  if (signatures.recover(order, proposal.signature) !== proposal.statement.client) {
    return refuse('BAD_SIGNATURE', `${proposal.statement.client} did not sign this order`)
  }
  const refusal = await judge(components, proposal)
  if (refusal !== undefined) return refusal
  // Whoever sees the order on the ledger may come for its blocks before the ledger has told us of it.
  if (proposal.kind === 'PiecesOrder') await publish(components, proposal.statement)
  const acceptance = signer.sign(digestOf('Acceptance', { provider: signer.address, order }))
  return { ok: true, value: { acceptance } }
}

/** Bytes that came under another deal do not count: nobody learns here what others store, nor has it without sending it. */
async function judge({ ledger, store, terms }: ProviderComponents, proposal: Proposal): Promise<Refusal | undefined> {
  if (proposal.kind === 'DealOrder') return judgeDealOrder(proposal.statement, terms)
  const dealId = String(proposal.statement.dealId)
  const held = await Promise.all(
    proposal.statement.pieces.map(async cid => {
      const piece = await store.get(cid)
      const holder = piece?.holders.find(candidate => candidate.dealId === dealId)
      return holder === undefined ? undefined : { leaseUntilMs: holder.untilMs }
    })
  )
  return judgePiecesOrder(proposal.statement, held, ledger.state, terms)
}

async function publish({ store }: ProviderComponents, order: Statement<'PiecesOrder'>): Promise<void> {
  for (const [at, cid] of order.pieces.entries()) {
    const root = publicRootOf(order, at)
    if (root !== undefined) await store.publish(cid, String(order.dealId), root)
  }
}
