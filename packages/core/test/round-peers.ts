/** Provers and verifiers of a test network in one process, wired to each other by function calls. */
import { portableNodeHasher } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Clock } from '../src/clock.ts'
import { portableSignatureVerifier, type SignatureVerifier, type Signer } from '../src/identity.ts'
import type { Ledger } from '../src/ledger/ledger.ts'
import { noAnswer } from '../src/protocols/envelope.ts'
import type { Answer } from '../src/protocols/protocol.ts'
import { createProver, type Prover, type ProverEvent, type ProverOptions } from '../src/provider/prover.ts'
import type { DialLog } from '../src/verifier/dial-log.ts'
import { createMemoryTranscriptStore, type TranscriptStore } from '../src/verifier/transcript-store.ts'
import { createVerifier, type Verifier, type VerifierEvent, type VerifierOptions } from '../src/verifier/verifier.ts'
import type { MemoryPieces } from './ledger/memory-pieces.ts'
import type { TestNetwork } from './ledger/network-fixture.ts'

export interface PeerChanges {
  readonly signatures?: SignatureVerifier
  readonly ledger?: Ledger
  readonly clock?: Clock
  readonly push?: ProverOptions['push']
  readonly ask?: VerifierOptions['ask']
  readonly transcripts?: TranscriptStore
  readonly dials?: DialLog
  readonly prefetch?: VerifierOptions['prefetch']
  readonly pause?: VerifierOptions['pause']
}

/** A source of bytes that is unique to a peer and repeats from run to run. */
function createRandom(name: string): (sizeBytes: number) => Uint8Array {
  let drawn = 0
  return sizeBytes => sha256(utf8ToBytes(`${name}/${drawn++}`)).subarray(0, sizeBytes)
}

export class RoundPeers implements AsyncDisposable {
  readonly events: (ProverEvent | VerifierEvent)[] = []
  readonly errors: unknown[] = []
  readonly #network: TestNetwork
  readonly #provers = new Map<string, Prover>()
  readonly #verifiers = new Map<string, Verifier>()

  constructor(network: TestNetwork) {
    this.#network = network
  }

  startProver(signer: Signer, pieces: MemoryPieces, changes: PeerChanges = {}): Prover {
    const prover = createProver({
      ...this.#shared(signer),
      pieces,
      push: async (addresses, { round, items }) => {
        const verifier = this.#verifiers.get(addresses[0]!)
        if (verifier === undefined) return noAnswer('UNREACHABLE', 'nobody is there')
        return { kind: 'answer', value: { results: await verifier.receive(round, items) } }
      },
      ...changes
    })
    this.#provers.set(addressOf(signer), prover)
    prover.start()
    return prover
  }

  startVerifier(signer: Signer, changes: PeerChanges = {}): Verifier {
    const verifier = createVerifier({
      ...this.#shared(signer),
      signatures: portableSignatureVerifier,
      transcripts: createMemoryTranscriptStore(),
      ask: (addresses, { round, dealIds }, signal) => this.ask(signer, addresses, round, dealIds, signal),
      ...changes
    })
    this.#verifiers.set(addressOf(signer), verifier)
    verifier.start()
    return verifier
  }

  /** What a provider answers to a verifier. */
  async ask(
    verifier: Signer,
    addresses: readonly string[],
    round: number,
    dealIds: readonly number[],
    signal: AbortSignal
  ): Promise<Answer<{ items: Awaited<ReturnType<Prover['answerChallenge']>> }>> {
    const prover = this.#provers.get(addresses[0]!)
    if (prover === undefined) return noAnswer('UNREACHABLE', 'nobody is there')
    return { kind: 'answer', value: { items: await prover.answerChallenge(verifier.address, round, dealIds, signal) } }
  }

  /** Ends a peer as a crash would: nobody reaches it any more. */
  async stop(signer: Signer): Promise<void> {
    const address = addressOf(signer)
    await Promise.all([this.#provers.get(address)?.stop(), this.#verifiers.get(address)?.stop()])
    this.#provers.delete(address)
    this.#verifiers.delete(address)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#provers.values(), ...this.#verifiers.values()].map(peer => peer.stop()))
  }

  #shared(signer: Signer) {
    return {
      ledger: this.#network.ledger as Ledger,
      signer,
      nodeHasher: portableNodeHasher,
      clock: this.#network.clock as Clock,
      random: createRandom(signer.address),
      onEvent: (event: ProverEvent | VerifierEvent) => this.events.push(event),
      onError: (error: unknown) => this.errors.push(error)
    }
  }
}

function addressOf({ address }: Signer): string {
  return `/memory/${address}`
}
