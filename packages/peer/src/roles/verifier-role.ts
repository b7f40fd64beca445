/** The role of a verifier: takes pushed proofs, asks those who did not come, attests, and shows by what it attested. */
import {
  challenge,
  createVerifier,
  type Ledger,
  pushProofs,
  readTranscript,
  serve,
  showTranscript
} from '@holdfast/core'
import { announcedAddresses } from '../announced-addresses.ts'
import { createTranscriptStore } from '../verifier/transcript-store.ts'
import { createRequester, type PeerComponents, random } from './components.ts'
import { createStakeKeeper } from './keep-stake.ts'

export async function startVerifier(
  life: AsyncDisposableStack,
  components: PeerComponents,
  ledger: Ledger
): Promise<void> {
  const { directory, config, signer, tools, clock, node, serveOptions, emit, signal } = components
  const transcripts = life.use(createTranscriptStore({ directory: directory.transcriptsDirectory }))
  await transcripts.start()
  const verifier = life.use(
    createVerifier({
      ledger,
      signer,
      signatures: tools.signatures,
      nodeHasher: tools.nodeHasher,
      clock,
      random,
      transcripts,
      ask: createRequester(components, challenge),
      onEvent: event => emit({ kind: 'verifier', event }),
      onError: error => emit({ kind: 'error', error })
    })
  )
  const services = life.use(new AsyncDisposableStack())
  services.use(
    await serve(
      node.libp2p,
      pushProofs,
      async ({ round, items }) => ({ ok: true, value: { results: await verifier.receive(round, items) } }),
      serveOptions
    )
  )
  services.use(
    await serve(
      node.libp2p,
      readTranscript,
      async ({ round, dealId }) => await showTranscript(ledger.state, transcripts, round, dealId),
      serveOptions
    )
  )
  const stake = life.use(
    createStakeKeeper({
      ledger,
      signer,
      random,
      signal,
      stake: config.verifier.stake,
      addresses: () => announcedAddresses(node.addresses()),
      onEvent: event => emit({ kind: 'stake', event }),
      onError: error => emit({ kind: 'error', error })
    })
  )
  await stake.start()
  verifier.start()
}
