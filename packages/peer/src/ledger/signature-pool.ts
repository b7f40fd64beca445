/**
 * Recovers signers on threads of their own, so that a host's main thread only applies.
 *
 * What a thread does not answer, because it died, is recovered where it is needed: a pool makes things faster and decides
 * nothing. Its answers are those of `wasmSignatureVerifier`, which are those of core's portable one.
 */
import type { Worker } from 'node:worker_threads'
import type { Address, SignatureVerifier, SignedDigest } from '@holdfast/core'
import { startThread } from '../worker-thread.ts'
import { wasmSignatureVerifier } from './wasm-signatures.ts'

/** Two keep up with what one main thread can apply. */
const THREADS_DEFAULT = 2
/** Answers that are kept for a verifier that has not asked for them yet; the oldest go first. */
const ANSWERS_MAX = 64 * 1024
/** Signatures of one message: small enough that all threads of a pool share a group. */
const BATCH_MAX = 32

export interface SignaturePool extends AsyncDisposable {
  /** Knows what was prefetched, and computes everything else where it is asked. */
  readonly verifier: SignatureVerifier
  /** Resolves when the verifier knows these; never rejects. */
  prefetch(signed: readonly SignedDigest[]): Promise<void>
}

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, { readonly signed: readonly SignedDigest[]; readonly resolve: () => void }>
}

interface Batch {
  readonly id: number
  readonly signers: readonly (Address | undefined)[]
}

/** @param options.onError - told of a thread that died; the pool goes on with the others */
export function createSignaturePool({
  threads: count = THREADS_DEFAULT,
  onError
}: {
  readonly threads?: number
  readonly onError?: (error: unknown) => void
} = {}): SignaturePool {
  const known = new Map<string, Address | undefined>()
  const threads = new Set<Thread>(Array.from({ length: count }, () => begin()))
  let nextId = 0

  function begin(): Thread {
    const thread: Thread = { worker: startThread('signature-thread', import.meta.url), waiting: new Map() }
    thread.worker.on('message', ({ id, signers }: Batch) => {
      const batch = thread.waiting.get(id)
      thread.waiting.delete(id)
      for (const [index, { digest, signature }] of (batch?.signed ?? []).entries())
        remember(keyOf(digest, signature), signers[index])
      batch?.resolve()
    })
    const end = () => {
      threads.delete(thread)
      for (const { resolve } of thread.waiting.values()) resolve()
      thread.waiting.clear()
    }
    thread.worker.on('error', error => onError?.(error)).on('exit', end)
    return thread
  }

  function remember(key: string, signer: Address | undefined): void {
    known.set(key, signer)
    if (known.size <= ANSWERS_MAX) return
    const oldest = known.keys().next()
    if (oldest.done !== true) known.delete(oldest.value)
  }

  function ask(signed: readonly SignedDigest[]): Promise<void> {
    const thread = [...threads].sort((a, b) => a.waiting.size - b.waiting.size)[0]
    if (thread === undefined) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const id = nextId++
    thread.waiting.set(id, { signed, resolve })
    thread.worker.postMessage({ id, signed })
    return promise
  }

  return {
    verifier: {
      recover(digest, signature) {
        const key = keyOf(digest, signature)
        if (!known.has(key)) return wasmSignatureVerifier.recover(digest, signature)
        const signer = known.get(key)
        known.delete(key)
        return signer
      }
    },
    async prefetch(signed) {
      const batches: Promise<void>[] = []
      for (let from = 0; from < signed.length; from += BATCH_MAX)
        batches.push(ask(signed.slice(from, from + BATCH_MAX).map(copyOf)))
      await Promise.all(batches)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(Array.from(threads, ({ worker }) => worker.terminate()))
    }
  }
}

/** What a message clones is the whole buffer behind a view: the frame that a command came in. */
function copyOf({ digest, signature }: SignedDigest): SignedDigest {
  return { digest: Uint8Array.from(digest), signature: Uint8Array.from(signature) }
}

function keyOf(digest: Uint8Array, signature: Uint8Array): string {
  return `${Buffer.from(digest).toString('latin1')}${Buffer.from(signature).toString('latin1')}`
}
