import {
  digestOfTranscript,
  hashMerkleLeaf,
  parsePeerAddresses,
  readTranscript,
  request,
  serve,
  showTranscript,
  verifyMerklePath
} from '@holdfast/core'
import { expect, it } from 'vitest'
import { createTranscriptStore } from '../../src/verifier/transcript-store.ts'
import { startNode } from '../open-nodes.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { keptOf, sealRound } from './sealed-rounds.ts'

const networkId = new Uint8Array(32).fill(7)

it('a transcript comes over the wire with its proofs and its path, once its round is over', async () => {
  await using directory = await temporaryDirectory()
  await using store = createTranscriptStore({ directory: directory.path })
  await store.start()
  const { statement } = await sealRound(store, 4)
  const state = { round: 5, open: undefined }
  await using verifier = await startNode()
  await using asker = await startNode()
  await using _ = await serve(
    verifier.libp2p,
    readTranscript,
    async ({ round, dealId }) => await showTranscript(state, store, round, dealId),
    { networkId }
  )
  const ask = (round: number, dealId: number) =>
    request(asker.libp2p, parsePeerAddresses(verifier.addresses()), readTranscript, { round, dealId }, { networkId })
  const answer = await ask(4, 2)
  if (answer.kind !== 'answer') throw new Error(`${answer.kind}: ${answer.code}`)
  const { transcript, path, proofs } = answer.value
  expect(proofs).toEqual(keptOf(4, 2).proofs)
  const leafHash = hashMerkleLeaf(digestOfTranscript(transcript))
  expect(verifyMerklePath({ root: statement.transcripts, leafHash, index: 1, size: 4, path })).toBe(true)
  expect(await ask(4, 4)).toMatchObject({ kind: 'answer', value: { proofs: null, transcript: { push: null } } })
  expect(await ask(4, 9)).toMatchObject({ kind: 'refused', code: 'NO_TRANSCRIPT' })
  expect(await ask(6, 1)).toMatchObject({ kind: 'refused', code: 'NO_TRANSCRIPT' })
})
