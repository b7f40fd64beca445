/** Says where public blocks stand in pieces that the asker names. */
import { BLOCK_SIZE_BYTES_MAX, type locateBlocks, type Reply } from '@holdfast/core'
import type { z } from 'zod'
import type { ProviderComponents } from './components.ts'

type Places = z.output<typeof locateBlocks.response>

export async function answerLocate(
  { store }: Pick<ProviderComponents, 'store'>,
  { cids, pieces }: z.output<typeof locateBlocks.request>
): Promise<Reply<Places>> {
  const positionOf = new Map(pieces.map((piece, position) => [piece.toString(), position]))
  const places: Places['places'] = []
  for (const cid of cids) {
    let place: Places['places'][number] = null
    for await (const { pieceCid, offset, length } of store.findBlocks(cid)) {
      const position = positionOf.get(pieceCid.toString())
      if (position === undefined || length > BLOCK_SIZE_BYTES_MAX) continue
      place = { piece: position, offset, length }
      break
    }
    places.push(place)
  }
  return { ok: true, value: { places } }
}
