/** The provider's side of the wire: signs orders, takes and pulls pieces, serves ranges and blocks, answers challenges. */
import {
  addressOfPeer,
  challenge,
  createKnownPermissions,
  locateBlocks,
  proposeDeal,
  pullPiece,
  readBlocks,
  readRange,
  refuse,
  repairNotices,
  type ServeOptions,
  serve,
  serveDownload,
  serveUpload,
  storePiece
} from '@holdfast/core'
import { createPieceRanges } from '../gateway/piece-ranges.ts'
import { createVerifiedReader } from '../storage/verified-reader.ts'
import { acceptUpload } from './accept-upload.ts'
import { answerNotices } from './answer-notices.ts'
import { answerProposal } from './answer-proposal.ts'
import type { ProviderComponents } from './components.ts'
import { answerLocate } from './locate-blocks.ts'
import { openBlocks } from './open-blocks.ts'
import { openRange } from './open-range.ts'
import { createPuller } from './pull-pieces.ts'

export type { ProviderComponents } from './components.ts'

/** Serves until the stack is disposed. */
export async function serveProvider(
  services: AsyncDisposableStack,
  components: ProviderComponents,
  options: ServeOptions
): Promise<void> {
  const { node, web, prover, store, nodeHasher } = components
  const reader = createVerifiedReader(store, nodeHasher, { trustsChecksums: true })
  const reading = { ...components, reader, knownPermissions: createKnownPermissions() }
  const puller = services.use(createPuller(components, options))
  services.use(await serve(node, proposeDeal, proposal => answerProposal(components, proposal), options))
  services.use(
    await serveUpload(node, storePiece, (request, context) => acceptUpload(components, request, context), options)
  )
  services.use(await serve(node, pullPiece, (request, context) => puller.answer(request, context), options))
  services.use(
    await serveDownload(node, readBlocks, (request, context) => openBlocks(components, request, context), options)
  )
  services.use(
    await serve(node, repairNotices, async (request, context) => answerNotices(components, request, context), options)
  )
  services.use(await serve(node, locateBlocks, request => answerLocate(components, request), options))
  services.use(
    await serveDownload(node, readRange, (request, context) => openRange(reading, request, context), options)
  )
  services.use(web.serve('/piece/', createPieceRanges(reading)))
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
