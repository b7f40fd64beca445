/** The role of a verifier: takes pushed proofs, asks those who did not come, attests, and shows by what it attested. */

import { setImmediate } from 'node:timers/promises'
import {
  challenge,
  createVerifier,
  type DialLog,
  type Ledger,
  pushProofs,
  readTranscript,
  serve,
  serveRequests,
  showTranscript,
  type TranscriptStore
} from '@holdfast/core'
import { announcedAddresses } from '../announced-addresses.ts'
import { createSignaturePool } from '../ledger/signature-pool.ts'
import { createDialFiles } from '../verifier/dial-files.ts'
import { type Observations, startObserving } from '../verifier/observe.ts'
import { createRoundBook, type RoundBook } from '../verifier/round-book.ts'
import { createTranscriptStore } from '../verifier/transcript-store.ts'
import { createRequester, type PeerComponents, random } from './components.ts'
import { createStakeKeeper } from './keep-stake.ts'

/** A verifier recovers one signature a proof: one thread keeps up with what its main thread can hash. */
const SIGNATURE_THREADS = 1

/** What screens ask of a running verifier. */
export interface VerifierHandle {
  readonly rounds: RoundBook
  readonly dials: DialLog
  readonly transcripts: Pick<TranscriptStore, 'sealed' | 'get'>
  /** What it saw of providers by itself. */
  readonly observations: Observations['book']
}

export async function startVerifier(
  life: AsyncDisposableStack,
  components: PeerComponents,
  ledger: Ledger
): Promise<VerifierHandle> {
  const { directory, config, signer, tools, clock, node, serveOptions, emit, signal } = components
  const transcripts = life.use(createTranscriptStore({ directory: directory.transcriptsDirectory }))
  await transcripts.start()
  const dials = createDialFiles({ directory: directory.transcriptsDirectory })
  const onError = (error: unknown) => emit({ kind: 'error', error })
  const signatures = life.use(createSignaturePool({ threads: SIGNATURE_THREADS, onError }))
  const rounds = life.use(createRoundBook(ledger, signer.address))
  const observations = await startObserving(life, components, ledger)
  const verifier = life.use(
    createVerifier({
      ledger,
      signer,
      signatures: signatures.verifier,
      prefetch: signatures.prefetch,
      pause: setImmediate,
      nodeHasher: tools.nodeHasher,
      clock,
      random,
      transcripts,
      dials,
      ask: createRequester(components, challenge),
      onEvent(event) {
        rounds.note(event)
        observations.note(event)
        emit({ kind: 'verifier', event })
      },
      onError
    })
  )
  const services = life.use(new AsyncDisposableStack())
  services.use(
    await serveRequests(
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
      clock,
      onAnnounce: event => emit({ kind: 'announce', event }),
      onEvent: event => emit({ kind: 'stake', address: signer.address, event }),
      onError
    })
  )
  await stake.start()
  verifier.start()
  return { rounds, dials, transcripts, observations: observations.book }
}
