/**
 * Recovers signers on threads of their own, so that a host's main thread only applies.
 *
 * What a thread does not answer, because it died, is recovered where it is needed: a pool makes things faster and decides
 * nothing. Its answers are those of `wasmSignatureVerifier`, which are those of core's portable one.
 */
import type { Worker } from 'node:worker_threads'
import type { Address, SignatureVerifier, SignedDigest } from '@holdfast/core'
import { startThread } from '../worker-thread.ts'
import { fitsRecord, packRecords, type SignatureAnswer, type SignatureBatch } from './signature-records.ts'
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
}

/** Batches that a thread has: the one it works on, and the next. */
const BATCHES_PER_THREAD = 2

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, readonly Wanted[]>
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
    const thread: Thread = { worker: startThread('signature-thread', import.meta.url), waiting: new Map() }
    thread.worker.on('message', ({ id, signers }: SignatureAnswer) => {
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
    if (threads.size === 0) for (const { resolve } of queue.splice(0)) resolve()
  }

  /** Batches grow by themselves while all threads are busy. */
  function sendWaiting(): void {
    while (queue.length > 0) {
      const thread = [...threads].sort((a, b) => a.waiting.size - b.waiting.size)[0]
      if (thread === undefined || thread.waiting.size >= BATCHES_PER_THREAD) return
      const batch = queue.splice(0, BATCH_MAX)
      const id = nextId++
      thread.waiting.set(id, batch)
      const records = packRecords(batch)
      thread.worker.postMessage({ id, records } satisfies SignatureBatch, [records.buffer])
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
    async [Symbol.asyncDispose]() {
      isClosed = true
      for (const { resolve } of queue.splice(0)) resolve()
      await Promise.all(Array.from(threads, ({ worker }) => worker.terminate()))
    }
  }
}
