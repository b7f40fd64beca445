/** What a verifier sees of providers beside its rounds: looks at random, each over a node of its own, and its checks' times. */
import { randomBytes } from 'node:crypto'
import {
  createObserver,
  type Ledger,
  type NetworkDescription,
  type ObservationBook,
  type VerifierEvent
} from '@holdfast/core'
import { createReadersHttpSource } from '../client/http-source.ts'
import { OBSERVER_RATES_DEFAULT } from '../config.ts'
import { createNode } from '../node.ts'
import { type PeerComponents, random } from '../roles/components.ts'
import { openObservationFile } from './observation-file.ts'
import { createProofTimes } from './proof-times.ts'

export interface Observations {
  readonly book: Pick<ObservationBook, 'list' | 'providers'>
  /** Takes what the verifier says that it did. */
  note(event: VerifierEvent): void
}

/** Starts to look; ends with the stack. */
export async function startObserving(
  life: AsyncDisposableStack,
  { directory, config, network, signer, tools, clock, emit }: PeerComponents,
  ledger: Ledger
): Promise<Observations> {
  const onError = (error: unknown) => emit({ kind: 'error', error })
  const file = life.use(await openObservationFile({ path: directory.observationsFile, onError }))
  const {
    readsPerHour = OBSERVER_RATES_DEFAULT.readsPerHour,
    bindingChecksPerHour = OBSERVER_RATES_DEFAULT.bindingChecksPerHour,
    readBytesPerHour = OBSERVER_RATES_DEFAULT.readBytesPerHour
  } = config.verifier
  const proofTimes = life.use(createProofTimes(ledger, clock))
  const observer = life.use(
    createObserver({
      ledger,
      self: signer.address,
      clock,
      random,
      nodeHasher: tools.nodeHasher,
      rates: { readsPerHour, bindingChecksPerHour, bytesPerHour: readBytesPerHour },
      openSession: () => openSession(network),
      onObservation: observation => file.add(observation),
      onError
    })
  )
  observer.start()
  return {
    book: file.book,
    note(event) {
      for (const observation of proofTimes.observationsOf(event)) file.add(observation).catch(onError)
    }
  }
}

/** A node like any reader's: a key of its own, listens nowhere, dials what readers of the network dial. */
async function openSession(network: NetworkDescription) {
  const node = await createNode({ privateKey: new Uint8Array(randomBytes(32)), listen: [], network: () => network })
  try {
    await node.start()
  } catch (error) {
    await node.stop()
    throw error
  }
  const http = createReadersHttpSource(network, node.party)
  return {
    node: node.libp2p,
    http,
    async [Symbol.asyncDispose]() {
      http.hangUp()
      await node.stop()
    }
  }
}
