/** Asks the ledger host, or a peer that keeps its log, who holds an object: all that a reader needs who follows no ledger. */
import type { Multiaddr } from '@multiformats/multiaddr'
import { bytesToHex } from '@noble/hashes/utils.js'
import { newestAskOf } from '../ledger/asks.ts'
import { isRunning } from '../ledger/live-deals.ts'
import { isPresent } from '../ledger/piece-rules.ts'
import { type HostConnection, hostAnswer } from '../ledger/remote-source.ts'
import type { DealPiece, LedgerState } from '../ledger/state.ts'
import {
  ledgerReplicas,
  PIECES_PER_REPLICA_MAX,
  REPLICAS_PER_ANSWER_MAX,
  type Replica
} from '../protocols/definitions.ts'
import { request } from '../protocols/engine.ts'

/**
 * @param label - under which pieces stand on the ledger: the bytes of a public object's root, or of a private piece
 * @throws {CoreError} `LEDGER_UNREACHABLE`
 */
export async function findReplicas(
  { node, networkId, host, followers = [], heads }: HostConnection,
  label: Uint8Array,
  signal?: AbortSignal
): Promise<Replica[]> {
  const options = { networkId, ...(signal !== undefined && { signal }), ...(heads !== undefined && { heads }) }
  const ask = (addresses: Multiaddr[]) => request(node, addresses, ledgerReplicas, { label }, options)
  const first = await ask(host)
  if (first.kind === 'answer') return first.value.replicas
  for (const addresses of followers) {
    const answer = await ask(addresses)
    if (answer.kind === 'answer') return answer.value.replicas
  }
  return hostAnswer<{ replicas: Replica[] }>(first).replicas
}

/**
 * What a ledger says to that question: replicas that owe nothing and missed least first, with the first of their pieces.
 *
 * @param dealIds - the deals to look at, by an index say; default all
 */
export function replicasOf(
  state: LedgerState,
  label: Uint8Array,
  dealIds: Iterable<number> = state.deals.keys()
): Replica[] {
  const wanted = bytesToHex(label)
  const isWanted = (piece: DealPiece) => piece.label === wanted && isPresent(piece)
  return [...dealIds]
    .flatMap(id => state.deals.get(id) ?? [])
    .filter(deal => isRunning(deal) && deal.pieces.some(isWanted))
    .map(deal => ({
      dealId: deal.id,
      provider: deal.provider,
      addresses: [...(newestAskOf(state, deal.provider)?.addresses ?? [])],
      pieces: deal.pieces
        .filter(isWanted)
        .slice(0, PIECES_PER_REPLICA_MAX)
        .map(({ cid }) => cid),
      proved: deal.rounds.proved,
      faulted: deal.rounds.faulted,
      docketLeaves: deal.docket.length
    }))
    .sort((a, b) => a.docketLeaves - b.docketLeaves || a.faulted - b.faulted || a.dealId - b.dealId)
    .slice(0, REPLICAS_PER_ANSWER_MAX)
}
