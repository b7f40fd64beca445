/** The provider's side of the wire: signs orders, takes pieces, serves public blocks, answers challenges. */
import {
  addressOfPeer,
  type Clock,
  challenge,
  type HandlerContext,
  judgeDealOrder,
  judgePiecesOrder,
  type Ledger,
  type Prover,
  type ProviderTerms,
  proposeDeal,
  type Refusal,
  type Reply,
  readBlocks,
  refuse,
  type ServeOptions,
  type SignatureVerifier,
  type Signer,
  type Statement,
  serve,
  serveDownload,
  serveUpload,
  statementDigestOf,
  storePiece,
  type UploadSink
} from '@holdfast/core'
import { PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import type { Libp2p } from '@libp2p/interface'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { PeerError } from '../error.ts'
import type { PieceStore } from '../storage/index.ts'
import { awaitDeal } from './await-deal.ts'

export interface ProviderComponents {
  readonly node: Pick<Libp2p, 'handle' | 'unhandle'>
  readonly ledger: Ledger
  readonly signer: Signer
  readonly signatures: SignatureVerifier
  readonly store: PieceStore
  readonly blocks: Pick<Blockstore, 'get'>
  readonly clock: Clock
  readonly prover: Prover
  readonly terms: ProviderTerms
}

/** Serves until the stack is disposed. */
export async function serveProvider(
  services: AsyncDisposableStack,
  components: ProviderComponents,
  options: ServeOptions
): Promise<void> {
  const { node, prover } = components
  services.use(await serve(node, proposeDeal, proposal => answerProposal(components, proposal), options))
  services.use(
    await serveUpload(node, storePiece, (request, context) => acceptPiece(components, request, context), options)
  )
  services.use(await serveDownload(node, readBlocks, ({ cids }) => openBlocks(components, cids), options))
  services.use(
    await serve(
      node,
      challenge,
      async ({ round, dealIds }, { remotePeer, signal }) => {
        const verifier = addressOfPeer(remotePeer)
        if (verifier === undefined) return refuse('NO_ACCOUNT', 'only a peer with a secp256k1 key can be a verifier')
        return { ok: true, value: { items: await prover.answerChallenge(verifier, round, dealIds, signal) } }
      },
      options
    )
  )
}

type Proposal =
  | { readonly kind: 'DealOrder'; readonly statement: Statement<'DealOrder'>; readonly signature: Uint8Array }
  | { readonly kind: 'PiecesOrder'; readonly statement: Statement<'PiecesOrder'>; readonly signature: Uint8Array }

async function answerProposal(
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
  const acceptance = signer.sign(digestOf('Acceptance', { provider: signer.address, order }))
  return { ok: true, value: { acceptance } }
}

async function judge({ ledger, store, terms }: ProviderComponents, proposal: Proposal): Promise<Refusal | undefined> {
  if (proposal.kind === 'DealOrder') return judgeDealOrder(proposal.statement, terms)
  const held = await Promise.all(
    proposal.statement.pieces.map(async cid => {
      const piece = await store.get(cid)
      return piece === undefined ? undefined : { leaseUntilMs: piece.leaseUntilMs }
    })
  )
  return judgePiecesOrder(proposal.statement, held, ledger.state, terms)
}

/** Only the client of a deal sends bytes under it, and only as many as the quota has room for. */
async function acceptPiece(
  { ledger, store, clock, terms }: ProviderComponents,
  { dealId, sizeBytes }: { dealId: number; sizeBytes: number },
  { remotePeer, signal }: HandlerContext
): Promise<Reply<UploadSink<{ cid: CID; rawSize: number }>>> {
  await awaitDeal(ledger, clock, dealId, signal)
  const deal = ledger.state.deals.get(dealId)
  if (deal === undefined || deal.provider !== terms.address || deal.status !== 'active')
    return refuse('NO_DEAL', `I have no open deal ${dealId}`)
  if (addressOfPeer(remotePeer) !== deal.client) return refuse('NOT_A_PARTY', `deal ${dealId} is not yours`)
  if (sizeBytes > PIECE_SIZE_BYTES_MAX)
    return refuse('PIECE_TOO_LARGE', `a piece has at most ${PIECE_SIZE_BYTES_MAX} bytes, not ${sizeBytes}`)
  const room = await store.receive({ sizeBytes })
  if (!room.ok)
    return refuse('NO_SPACE', `I have ${room.freeBytes} bytes left, ${room.neededBytes} are needed`, {
      freeBytes: room.freeBytes,
      neededBytes: room.neededBytes
    })
  const { writer } = room
  const wrongSize = (came: number) => refuse('WRONG_SIZE', `${sizeBytes} bytes were declared and ${came} came`)
  return {
    ok: true,
    value: {
      offset: 0,
      async write(chunk) {
        const cameBytes = writer.positionBytes + chunk.length
        if (cameBytes > sizeBytes) return wrongSize(cameBytes)
        const written = await orFullDisk(() => writer.write(chunk))
        return written.ok ? undefined : written
      },
      async finish(totalBytes) {
        if (totalBytes !== sizeBytes) {
          await writer.abort()
          return wrongSize(totalBytes)
        }
        const committed = await orFullDisk(() => writer.commit())
        if (!committed.ok) return committed
        const { cid, rawSize } = committed.value
        return { ok: true, value: { cid, rawSize } }
      },
      abort: () => writer.abort()
    }
  }
}

/** A full disk is news for the client, who then takes another provider; any other failure is the store's own. */
async function orFullDisk<T>(work: () => Promise<T>): Promise<Reply<T>> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    if (error instanceof PeerError && error.code === 'NO_SPACE') return refuse('NO_SPACE', 'my disk is full')
    throw error
  }
}

async function openBlocks({ store, blocks }: ProviderComponents, cids: readonly CID[]) {
  const sizesBytes: number[] = []
  for (const cid of cids) {
    const sizeBytes = await sizeOfBlock(store, blocks, cid)
    if (sizeBytes === undefined) return refuse('BLOCK_MISSING', `I do not have block ${cid}`)
    sizesBytes.push(sizeBytes)
  }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const cid of cids) yield* await toChunks(blocks.get(cid))
  }
  return { ok: true, value: { header: { sizesBytes }, chunks: chunks() } } as const
}

/**
 * A CAR may call any bytes by any CID, so where pieces differ about a block's length only the block itself can tell.
 *
 * @returns undefined for a block that is not here
 */
async function sizeOfBlock(
  store: Pick<PieceStore, 'findBlocks'>,
  blocks: Pick<Blockstore, 'get'>,
  cid: CID
): Promise<number | undefined> {
  const claims = new Set<number>()
  for await (const { length } of store.findBlocks(cid)) claims.add(length)
  if (claims.size < 2) return [...claims][0]
  try {
    let sizeBytes = 0
    for await (const chunk of await toChunks(blocks.get(cid))) sizeBytes += chunk.length
    return sizeBytes
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return undefined
    throw error
  }
}

/** interface-blockstore allows a block in one piece or in several. */
async function toChunks(
  block: ReturnType<Blockstore['get']>
): Promise<AsyncIterable<Uint8Array> | Iterable<Uint8Array>> {
  const value = await block
  return value instanceof Uint8Array ? [value] : value
}
