/**
 * Workers that take pieces in, and the slabs that bytes reach them on.
 *
 * A slab is shared memory of one chunk: it is taken when a chunk has come whole, and free again when the worker has
 * written and hashed it. So a sender that drips holds none, and all uploads together hold no more than there are; who
 * finds none waits, which holds back the sender's credit. Workers start with the first piece.
 */
import { rm } from 'node:fs/promises'
import type { Worker } from 'node:worker_threads'
import { pageAlignedBytes } from '../direct-file.ts'
import { PeerError } from '../error.ts'
import { startThread } from '../worker-thread.ts'
import {
  type IncomingFile,
  type IncomingOptions,
  incomingPaths,
  type OpenIncomingFile,
  type PieceName,
  type WrittenPiece
} from './incoming-file.ts'
import {
  INTAKE_SLAB_SIZE_BYTES,
  type IntakeAnswer,
  type IntakeCall,
  type IntakeRequest,
  type IntakeWorkerData,
  receiveError,
  slabOf
} from './intake-messages.ts'

/** Shared memory of all uploads; what of it was never filled takes none of the machine's. */
export const INTAKE_SIZE_BYTES_MAX = 32 * INTAKE_SLAB_SIZE_BYTES
/** Slabs of one file that the worker has not written yet: one in its hands, one waiting. */
const SLABS_PER_FILE_MAX = 2

export interface IntakeWorkers extends AsyncDisposable {
  readonly open: OpenIncomingFile
  /** Ends the workers; files that are open are left as a crash would leave them. Idempotent. */
  stop(): Promise<void>
}

/** @param count - threads; a piece is one thread's from its first byte to its last */
export function createIntakeWorkers({ count }: { readonly count: number }): IntakeWorkers {
  const slabs = new SlabPool()
  const workers: IntakeWorker[] = []
  let next = 0
  let stopped = false

  async function open(options: IncomingOptions): Promise<IncomingFile> {
    if (stopped) throw new PeerError('STORE_STOPPED', 'The piece store is stopped.')
    const at = next % count
    next += 1
    if (workers[at] === undefined || workers[at].hasEnded) workers[at] = new IntakeWorker(slabs)
    const file = new WorkerFile(workers[at], slabs, options, next)
    await file.open()
    return file
  }

  async function stop(): Promise<void> {
    stopped = true
    await Promise.all(workers.map(worker => worker.stop()))
  }

  return { open, stop, [Symbol.asyncDispose]: stop }
}

/** Hands out slabs, in the order in which they were asked for; those that were filled last first. */
class SlabPool {
  readonly bytes = pageAlignedBytes(INTAKE_SIZE_BYTES_MAX, true)
  /** Numbers of those that may be filled, the next one last. */
  readonly #free = Array.from({ length: INTAKE_SIZE_BYTES_MAX / INTAKE_SLAB_SIZE_BYTES }, (_, slab) => slab).reverse()
  readonly #waiting: ((slab: number) => void)[] = []

  async take(): Promise<number> {
    return this.#free.pop() ?? new Promise(resolve => this.#waiting.push(resolve))
  }

  give(slab: number): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#free.push(slab)
    else waiting(slab)
  }
}

/** One thread, and the calls that it owes an answer to. */
class IntakeWorker {
  readonly #worker: Worker
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>()
  #lastCall = 0
  #failure: PeerError | undefined

  constructor(slabs: SlabPool) {
    this.#worker = startThread('intake-worker', import.meta.url, {
      workerData: { slabs: slabs.bytes } satisfies IntakeWorkerData
    })
    this.#worker.on('message', (answer: IntakeAnswer) => this.#settle(answer))
    this.#worker.on('error', error => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(undefined))
  }

  get hasEnded(): boolean {
    return this.#failure !== undefined
  }

  call(file: number, wanted: IntakeCall): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.#lastCall += 1
    const call = this.#lastCall
    const answer = Promise.withResolvers<unknown>()
    this.#calls.set(call, answer)
    if (this.#calls.size === 1) this.#worker.ref()
    this.#worker.postMessage({ call, file, wanted } satisfies IntakeRequest)
    return answer.promise
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }

  #settle(answer: IntakeAnswer): void {
    const waiting = this.#calls.get(answer.call)
    this.#calls.delete(answer.call)
    if (this.#calls.size === 0) this.#worker.unref()
    if (answer.ok) waiting?.resolve(answer.value)
    else waiting?.reject(receiveError(answer.error))
  }

  #fail(cause: unknown): void {
    this.#failure ??= new PeerError('INTAKE_FAILED', 'A worker that takes pieces in has ended.', {}, { cause })
    for (const waiting of this.#calls.values()) waiting.reject(this.#failure)
    this.#calls.clear()
  }
}

/** The main thread's end of a file that a worker writes. */
class WorkerFile implements IncomingFile {
  positionBytes = 0
  readonly #worker: IntakeWorker
  readonly #slabs: SlabPool
  readonly #options: IncomingOptions
  readonly #file: number
  /** Writes on their way, oldest first; what went wrong is in `#failure`. */
  readonly #writing: Promise<void>[] = []
  #failure: unknown
  #ended: Promise<unknown> | undefined

  constructor(worker: IntakeWorker, slabs: SlabPool, options: IncomingOptions, file: number) {
    this.#worker = worker
    this.#slabs = slabs
    this.#options = options
    this.#file = file
  }

  async open(): Promise<void> {
    this.positionBytes = (await this.#worker.call(this.#file, { kind: 'open', options: this.#options })) as number
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#assertOpen()
    const { sizeBytes } = this.#options
    if (this.positionBytes + bytes.length > sizeBytes) {
      throw new RangeError(`expected at most the ${sizeBytes} bytes declared, got ${this.positionBytes + bytes.length}`)
    }
    for (let at = 0; at < bytes.length; at += INTAKE_SLAB_SIZE_BYTES) {
      while (this.#writing.length >= SLABS_PER_FILE_MAX) await this.#writing[0]
      const slab = await this.#slabs.take()
      const part = bytes.subarray(at, at + INTAKE_SLAB_SIZE_BYTES)
      slabOf(this.#slabs.bytes, slab, part.length).set(part)
      this.positionBytes += part.length
      this.#send(slab, part.length)
    }
    this.#assertOpen()
  }

  #send(slab: number, sizeBytes: number): void {
    const writing = this.#worker
      .call(this.#file, { kind: 'write', slab, sizeBytes })
      .then(() => undefined)
      .catch((error: unknown) => {
        this.#failure ??= error
      })
      .then(() => {
        this.#slabs.give(slab)
        this.#writing.shift()
      })
    this.#writing.push(writing)
  }

  async finish(): Promise<PieceName> {
    await Promise.all(this.#writing)
    this.#assertOpen()
    return (await this.#worker.call(this.#file, { kind: 'finish' })) as PieceName
  }

  async sync(): Promise<WrittenPiece> {
    await Promise.all(this.#writing)
    this.#assertOpen()
    return (await this.#worker.call(this.#file, { kind: 'sync' })) as WrittenPiece
  }

  async suspend(): Promise<number> {
    this.#assertOpen()
    this.#failure = closed()
    const suspending = this.#worker.call(this.#file, { kind: 'suspend' })
    this.#ended = suspending
    return (await suspending) as number
  }

  async discard(): Promise<void> {
    this.#failure ??= closed()
    this.#ended ??= this.#worker.hasEnded ? this.#removeFiles() : this.#worker.call(this.#file, { kind: 'discard' })
    await this.#ended
  }

  async #removeFiles(): Promise<void> {
    for (const path of Object.values(incomingPaths(this.#options))) await rm(path, { force: true })
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
}

function closed(): PeerError {
  return new PeerError('WRITER_CLOSED', 'The piece was committed, suspended or given up.')
}
