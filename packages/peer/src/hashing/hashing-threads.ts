/**
 * Threads that commit to pieces, and the slabs that bytes reach them on.
 *
 * A piece is one thread's from its first byte to its last, so that a put of several pieces, or of several replicas,
 * keeps several cores busy, and one piece one core beside the main thread's. Threads start with the first piece; they do
 * not keep the process alive.
 */
import type { Worker } from 'node:worker_threads'
import type { PieceHashing } from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { PeerError } from '../error.ts'
import { startThread } from '../worker-thread.ts'
import type { HashingAnswer, HashingRequest, HashingThreadData } from './hashing-messages.ts'
import { createQuadFiller, plainFiller } from './slab-filler.ts'

/** One write of the packer. */
const SLAB_SIZE_BYTES = 1024 * 1024
/** Of one thread: one that it hashes, and enough that it never waits for the main thread's other work. */
const SLABS_PER_THREAD = 4
/** A thread with as many to fill has time to expand bytes itself: which of the two is behind, machines and files decide. */
const SPARE_SLABS_MIN = 2

export interface HashingThreads extends AsyncDisposable {
  /** For one piece, or for what it becomes in a replica; must come to `digest` or `discard`. */
  createHasher(replicaKey?: Uint8Array): PieceHashing
  /** Ends the threads; hashings that are under way reject. Idempotent. */
  stop(): Promise<void>
}

/** @param options.count - threads, at least 1 */
export function createHashingThreads({ count }: { readonly count: number }): HashingThreads {
  const threads: HashingThread[] = []
  let lastPiece = 0

  /** The one with the fewest pieces; a new one while all have work. */
  function chooseThread(): HashingThread {
    for (const [at, thread] of threads.entries()) if (thread.hasEnded) threads.splice(at, 1)
    const idlest = threads.toSorted((a, b) => a.pieceCount - b.pieceCount)[0]
    if (idlest !== undefined && (idlest.pieceCount === 0 || threads.length === count)) return idlest
    const thread = new HashingThread()
    threads.push(thread)
    return thread
  }

  async function stop(): Promise<void> {
    await Promise.all(threads.splice(0).map(thread => thread.stop()))
  }

  return {
    createHasher(replicaKey) {
      lastPiece += 1
      return chooseThread().open(lastPiece, replicaKey)
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
}

class HashingThread {
  readonly #worker: Worker
  readonly #calls = new Map<number, PromiseWithResolvers<HashingAnswer & { ok: true }>>()
  readonly #slabs = Array.from(
    { length: SLABS_PER_THREAD },
    () => new Uint8Array(new SharedArrayBuffer(SLAB_SIZE_BYTES))
  )
  /** Numbers of those that may be filled. */
  readonly #free = [...this.#slabs.keys()]
  readonly #waiting: Array<() => void> = []
  #lastCall = 0
  #failure: PeerError | undefined
  pieceCount = 0

  constructor() {
    this.#worker = startThread('hashing-thread', import.meta.url, {
      workerData: { slabs: this.#slabs } satisfies HashingThreadData
    })
    this.#worker.on('message', (answer: HashingAnswer) => this.#settle(answer))
    this.#worker.on('error', error => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(undefined))
  }

  get hasEnded(): boolean {
    return this.#failure !== undefined
  }

  open(piece: number, replicaKey: Uint8Array | undefined): PieceHashing {
    this.pieceCount += 1
    let failure: unknown
    let isOver = false
    const note = (error: unknown) => {
      failure ??= error
    }
    const end = () => {
      if (!isOver) this.pieceCount -= 1
      isOver = true
    }
    this.#call(piece, { kind: 'open', replicaKey }).catch(note)
    const filler = replicaKey === undefined ? createQuadFiller() : plainFiller
    return {
      update: async bytes => {
        for (let at = 0; at < bytes.length; ) {
          const slab = await this.#takeSlab()
          if (failure !== undefined || this.#failure !== undefined) {
            this.#giveSlab(slab)
            throw failure ?? this.#failure
          }
          const isExpanded = replicaKey === undefined && this.#free.length < SPARE_SLABS_MIN
          const { takenBytes, filledBytes } = filler.fill(bytes.subarray(at), this.#slabs[slab]!, isExpanded)
          at += takenBytes
          if (filledBytes === 0) this.#giveSlab(slab)
          else
            this.#call(piece, { kind: 'update', slab, sizeBytes: filledBytes, isExpanded })
              .catch(note)
              .finally(() => this.#giveSlab(slab))
        }
      },
      digest: async () => {
        end()
        const { cid } = await this.#call(piece, { kind: 'digest', rest: filler.rest() })
        if (failure !== undefined) throw failure
        return { cid: CID.decode(cid!) }
      },
      discard: () => {
        if (!isOver) this.#call(piece, { kind: 'discard' }).catch(note)
        end()
      }
    }
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }

  #call(piece: number, wanted: HashingRequest['wanted']): Promise<HashingAnswer & { ok: true }> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.#lastCall += 1
    const answer = Promise.withResolvers<HashingAnswer & { ok: true }>()
    this.#calls.set(this.#lastCall, answer)
    if (this.#calls.size === 1) this.#worker.ref()
    this.#worker.postMessage({ call: this.#lastCall, piece, wanted } satisfies HashingRequest)
    return answer.promise
  }

  #settle(answer: HashingAnswer): void {
    const waiting = this.#calls.get(answer.call)
    this.#calls.delete(answer.call)
    if (this.#calls.size === 0) this.#worker.unref()
    if (answer.ok) waiting?.resolve(answer)
    else waiting?.reject(new RangeError(answer.message))
  }

  #fail(cause: unknown): void {
    this.#failure ??= new PeerError('HASHING_FAILED', 'A thread that hashes pieces has ended.', {}, { cause })
    for (const waiting of this.#calls.values()) waiting.reject(this.#failure)
    this.#calls.clear()
  }

  /** Resolves when there is a free slab; no order is kept between pieces. */
  async #takeSlab(): Promise<number> {
    for (;;) {
      const slab = this.#free.pop()
      if (slab !== undefined) return slab
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  #giveSlab(slab: number): void {
    this.#free.push(slab)
    this.#waiting.shift()?.()
  }
}
