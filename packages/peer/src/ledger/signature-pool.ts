/**
 * Recovers signers on threads of their own, so that a host's main thread only applies.
 *
 * What a thread does not answer, because it died, is recovered where it is needed: a pool makes things faster and decides
 * nothing. Its answers are those of `wasmSignatureVerifier`, which are those of core's portable one.
 */
import type { Worker } from 'node:worker_threads'
import { type Address, rememberBeaconSignature, type SignatureVerifier, type SignedDigest } from '@holdfast/core'
import { startThread } from '../worker-thread.ts'
import {
  type BeaconAnswer,
  type BeaconQuestion,
  fitsRecord,
  packRecords,
  type SignatureAnswer,
  type SignatureBatch
} from './signature-records.ts'
import { wasmSignatureVerifier } from './wasm-signatures.ts'

/** Two keep up with what one main thread can apply. */
const THREADS_DEFAULT = 2
/** Signatures of one message: small enough that all threads of a pool share a group. */
const BATCH_MAX = 32

export interface SignaturePool extends AsyncDisposable {
  /** Knows what was prefetched, and computes everything else where it is asked. */
  readonly verifier: SignatureVerifier
  /** Resolves when the verifier knows these, by the same signature objects, which nobody writes to; never rejects. */
  prefetch(signed: readonly SignedDigest[]): Promise<void>
  /** Resolves when `verifyBeaconSignature` knows this one, if it is good; never rejects. */
  prefetchBeacon(publicKey: Uint8Array, beaconRound: number, signature: Uint8Array): Promise<void>
}

/** Batches that a thread has: the one it works on, and the next. */
const BATCHES_PER_THREAD = 2

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, readonly Wanted[]>
  readonly beacons: Map<number, (isGood: boolean) => void>
}

interface Wanted extends SignedDigest {
  readonly resolve: () => void
}

/** @param options.onError - told of a thread that died; the pool goes on with the others */
export function createSignaturePool({
  threads: count = THREADS_DEFAULT,
  onError
}: {
  readonly threads?: number
  readonly onError?: (error: unknown) => void
} = {}): SignaturePool {
  /** By the signature's own bytes object: an answer lives as long as its command, and finding it costs no copy of it. */
  const known = new WeakMap<Uint8Array, { readonly digest: Uint8Array; readonly signer: Address | undefined }>()
  const queue: Wanted[] = []
  const threads = new Set<Thread>(Array.from({ length: count }, begin))
  let isClosed = false
  let nextId = 0

  function begin(): Thread {
    const worker = startThread('signature-thread', import.meta.url)
    const thread: Thread = { worker, waiting: new Map(), beacons: new Map() }
    thread.worker.on('message', (answer: SignatureAnswer | BeaconAnswer) => {
      if ('isGood' in answer) return thread.beacons.get(answer.id)?.(answer.isGood)
      const { id, signers } = answer
      const batch = thread.waiting.get(id) ?? []
      thread.waiting.delete(id)
      sendWaiting()
      for (const [index, { digest, signature, resolve }] of batch.entries()) {
        known.set(signature, { digest, signer: signers[index] })
        resolve()
      }
    })
    thread.worker.on('error', error => onError?.(error)).on('exit', () => end(thread))
    return thread
  }

  function end(thread: Thread): void {
    threads.delete(thread)
    for (const batch of thread.waiting.values()) for (const { resolve } of batch) resolve()
    thread.waiting.clear()
    for (const resolve of thread.beacons.values()) resolve(false)
    thread.beacons.clear()
    if (threads.size === 0) for (const { resolve } of queue.splice(0)) resolve()
  }

  /** A beacon takes as long as hundreds of signatures: batches go to the other threads meanwhile. */
  function loadOf({ waiting, beacons }: Thread): number {
    return waiting.size + beacons.size * BATCHES_PER_THREAD
  }

  function leastBusy(): Thread | undefined {
    return [...threads].sort((a, b) => loadOf(a) - loadOf(b))[0]
  }

  /** Batches grow by themselves while all threads are busy. */
  function sendWaiting(): void {
    while (queue.length > 0) {
      const thread = leastBusy()
      if (thread === undefined || loadOf(thread) >= BATCHES_PER_THREAD) return
      const batch = queue.splice(0, BATCH_MAX)
      const id = nextId++
      thread.waiting.set(id, batch)
      const records = packRecords(batch)
      thread.worker.postMessage({ id, records } satisfies SignatureBatch)
    }
  }

  return {
    verifier: {
      recover(digest, signature) {
        const answer = known.get(signature)
        return answer !== undefined && Buffer.compare(answer.digest, digest) === 0
          ? answer.signer
          : wasmSignatureVerifier.recover(digest, signature)
      }
    },
    async prefetch(signed) {
      if (isClosed || threads.size === 0) return
      const answered = signed
        .filter(fitsRecord)
        .map(({ digest, signature }) => new Promise<void>(resolve => queue.push({ digest, signature, resolve })))
      // Whoever asks in the same turn shares the messages.
      if (queue.length === answered.length) queueMicrotask(sendWaiting)
      await Promise.all(answered)
    },
    async prefetchBeacon(publicKey, beaconRound, signature) {
      const thread = leastBusy()
      if (isClosed || thread === undefined) return
      const id = nextId++
      const asked = new Promise<boolean>(resolve => thread.beacons.set(id, resolve))
      thread.worker.postMessage({ id, publicKey, beaconRound, signature } satisfies BeaconQuestion)
      const isGood = await asked
      thread.beacons.delete(id)
      sendWaiting()
      if (isGood) rememberBeaconSignature(publicKey, beaconRound, signature)
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      for (const { resolve } of queue.splice(0)) resolve()
      await Promise.all(Array.from(threads, ({ worker }) => worker.terminate()))
    }
  }
}
