/** The role of a verifier: takes pushed proofs, asks those who did not come, attests. */
import { challenge, createVerifier, type Ledger, pushProofs, serve } from '@holdfast/core'
import { announcedAddresses } from '../announced-addresses.ts'
import { announceStake } from './announce.ts'
import { createRequester, type PeerComponents, random } from './components.ts'

export async function startVerifier(
  life: AsyncDisposableStack,
  components: PeerComponents,
  ledger: Ledger
): Promise<void> {
  const { signer, tools, clock, node, serveOptions, emit, signal } = components
  const verifier = life.use(
    createVerifier({
      ledger,
      signer,
      signatures: tools.signatures,
      nodeHasher: tools.nodeHasher,
      clock,
      random,
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
  await announceStake({ ledger, signer, random, signal }, announcedAddresses(node.addresses()))
  verifier.start()
}
