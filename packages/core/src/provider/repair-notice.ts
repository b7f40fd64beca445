/**
 * A provider's word that it no longer has some pieces of a deal and cannot get them by itself: for the deal's client, who
 * asks for it and can make a private replica again. It binds nobody; that it is signed lets the client show it.
 */
import type { Libp2p } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { SignatureVerifier, Signer } from '../identity.ts'
import { newestAskOf } from '../ledger/asks.ts'
import type { Deal, LedgerState } from '../ledger/state.ts'
import { statementDigestOf } from '../ledger/statements.ts'
import {
  REPAIR_NOTICE_DEALS_MAX,
  REPAIR_NOTICE_PIECES_MAX,
  type RepairNotice,
  repairNotices
} from '../protocols/definitions.ts'
import { request } from '../protocols/engine.ts'
import type { EnvelopeTerms } from '../protocols/envelope.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import type { Address } from '../schema.ts'

/** @returns undefined when nothing is lost; of very many pieces, the first */
export function signRepairNotice(
  state: LedgerState,
  signer: Signer,
  dealId: number,
  lost: readonly CID[]
): RepairNotice | undefined {
  if (lost.length === 0) return undefined
  const { round } = state
  const pieces = lost.slice(0, REPAIR_NOTICE_PIECES_MAX)
  const statement = { provider: signer.address, dealId, round, pieces }
  return { dealId, round, pieces, signature: signer.sign(statementDigestOf(state)('RepairNotice', statement)) }
}

/** Whether the deal's provider signed it, about pieces of this deal, and not about a round to come. */
export function isRepairNotice(
  state: LedgerState,
  { dealId, round, pieces, signature }: RepairNotice,
  verifier: SignatureVerifier
): boolean {
  const deal = state.deals.get(dealId)
  if (deal === undefined || round > state.round + 1) return false
  const own = new Set(deal.pieces.map(({ cid }) => cid.toString()))
  if (!pieces.every(cid => own.has(cid.toString()))) return false
  const statement = { provider: deal.provider, dealId, round, pieces }
  return verifier.recover(statementDigestOf(state)('RepairNotice', statement), signature) === deal.provider
}

export interface AskNotices extends EnvelopeTerms {
  readonly node: Pick<Libp2p, 'dialProtocol'>
  readonly state: LedgerState
  readonly verifier: SignatureVerifier
  readonly signal: AbortSignal
}

/** Asks the providers of these deals what they lost; who does not answer, or says what it did not sign, says nothing. */
export async function askRepairNotices(
  { node, state, verifier, signal, ...terms }: AskNotices,
  deals: readonly Deal[]
): Promise<RepairNotice[]> {
  async function ask(provider: Address, dealIds: number[]): Promise<RepairNotice[]> {
    const addresses = newestAskOf(state, provider)?.addresses ?? []
    try {
      const message = { dealIds: dealIds.slice(0, REPAIR_NOTICE_DEALS_MAX) }
      const answer = await request(node, parsePeerAddresses(addresses), repairNotices, message, { ...terms, signal })
      if (answer.kind !== 'answer') return []
      return answer.value.notices.filter(
        notice => dealIds.includes(notice.dealId) && isRepairNotice(state, notice, verifier)
      )
    } catch {
      // Addresses that nobody can dial, or no time left: there is no notice then.
      return []
    }
  }
  const byProvider = Map.groupBy(deals, ({ provider }) => provider)
  const asked = Array.from(byProvider, ([provider, own]) =>
    ask(
      provider,
      own.map(({ id }) => id)
    )
  )
  return (await Promise.all(asked)).flat()
}
