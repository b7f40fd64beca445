/** What an app says to a client, and what it hears: the vocabulary of `@holdfast/peer/client`. */

import type {
  Address,
  FileRange,
  Ledger,
  ListedObject,
  NetworkDescription,
  ObjectReference,
  ObjectStatus,
  ObjectVerified,
  Patience,
  ReadBudget,
  RemovedFrom,
  RepairEvent,
  RepairResult,
  StoredReplica,
  StoreEvent,
  StoreOptions,
  StoreQuote,
  TopUp
} from '@holdfast/core'
import type { CID } from 'multiformats/cid'
import type { WrittenTree } from '../files/index.ts'
import type { TransportName } from '../node.ts'
import type { DiskSource, StagedObject, StageOptions } from '../staging/stage-object.ts'

export interface ClientOptions {
  /** A network description, or the path of one. */
  readonly network: NetworkDescription | string
  /** Path of the key file of the account that pays. Without one the client only reads. */
  readonly key?: string
  /**
   * Where the client keeps what it remembers, and the pieces of a store that has not ended; needs room for the largest
   * object. Default: beside the key, with `.state` at its end; of a client without a key, the system's temporary directory.
   */
  readonly stateDirectory?: string
  /** How it reaches peers; without it over TCP or WebSockets, whichever a peer listens on. */
  readonly transports?: readonly TransportName[]
  /** How slow a provider may be before another one is taken. */
  readonly patience?: Patience
  /** Ends the first catching-up with the ledger, which waits for a host that does not answer. */
  readonly signal?: AbortSignal
  /** Told when the ledger host begins to give no answer; the client waits for it and goes on. */
  readonly onUnreachable?: (error: Error) => void
}

/** How a source is packed. */
export type PackOptions = Partial<StageOptions>

/** The ledger's log is read and checked entry by entry: once, by whichever call comes first. */
export interface CatchUpEvent {
  readonly kind: 'catchingUp'
  /** Of the log, so far. */
  readonly entries: number
  readonly round: number
}

/** What every call takes. A dropped signal rejects with its reason, and leaves nothing behind. */
export interface CallOptions<Event extends { readonly kind: string } = never> {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((event: CatchUpEvent | Event) => void) | undefined
}

/** What a put and a store say. */
export type PutEvent = CatchUpEvent | StoreEvent

/** How and where it is stored; what is left out has a default. */
export type StoreWishes = Partial<Omit<StoreOptions, 'object' | keyof CallOptions>> & CallOptions<StoreEvent>

export interface PutOptions extends PackOptions, Omit<StoreWishes, 'signal'> {
  /** What the object is called in the account's list; default the last part of a path. */
  readonly name?: string
  /** Default true: the account's list in the network remembers the reference. */
  readonly list?: boolean
  /** Told what is about to be stored, and what it will cost; throwing here stores nothing. */
  readonly onPacked?: (packed: { readonly object: StagedObject; readonly quote: StoreQuote }) => void
}

export interface PutResult {
  readonly root: CID
  /** What `get` takes: a secret for a private object, the root for a public one. */
  readonly reference: string
  readonly isPrivate: boolean
  readonly replicas: readonly StoredReplica[]
  /** Why the account's list does not have it; undefined when it has, or was not asked to. The object stands in any case. */
  readonly notListed: string | undefined
}

/** Of a tree, a file after the other; of a stream, the one file. */
export interface GetEvent {
  readonly kind: 'read'
  /** Of the file, from the object's root on; none where the object is one file. */
  readonly path: readonly string[]
  /** Of all files so far, checked and handed on. */
  readonly readBytes: number
}

export interface GetOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((event: GetEvent) => void) | undefined
  /** Told whenever a provider is left for the next one, and why. */
  readonly onFailure?: (failure: { readonly provider: Address; readonly reason: string }) => void
  /** Also checks by range proofs that what comes lies in the pieces that are paid for. Slower for small blocks. */
  readonly bindToPiece?: boolean
  /**
   * Reads what is one block of a public object from providers that are gateways, without encryption: a range is there sooner on a
   * connection that has to be opened. It is checked like any other, and everybody on the way can see what is read. Default false.
   */
  readonly plainHttp?: boolean
  /**
   * What the walk may cost, where that is known to be more than `READ_BUDGET_DEFAULT`, or should be less: whoever made an
   * object can have made it endless. More ends with `BUDGET_EXCEEDED`.
   */
  readonly budget?: Partial<ReadBudget> | undefined
}

export interface ListedReference extends Omit<ListedObject, 'private'> {
  readonly reference: string
  readonly isPrivate: boolean
}

export interface ObjectsOfAccount {
  /** The newest last. */
  readonly objects: readonly ListedReference[]
  /** Providers of lists that could not be read; one of these may have been newer than what is shown. */
  readonly unread: readonly { readonly provider: Address; readonly reason: string }[]
}

/** A reference, a root CID, or either as text; text may go on with a path inside the object. */
export type ObjectName = string | CID | ObjectReference

export interface Client extends AsyncDisposable {
  /** The account that pays; of a reader, an account made for this client alone. */
  readonly address: Address
  /** The ledger as this client follows it; the first call catches up with the host. */
  ledger(options?: CallOptions): Promise<Ledger>
  /** Packs a source into pieces that wait on disk; dispose of it when it is stored. */
  pack(source: DiskSource, options?: PackOptions): Promise<StagedObject>
  quote(object: StoreOptions['object'], options?: StoreWishes): Promise<StoreQuote>
  /** Resolves when all replicas are on disk, countersigned and on the ledger. @throws {CoreError} `STORE_INCOMPLETE` */
  store(object: StoreOptions['object'], options?: StoreWishes): Promise<StoredReplica[]>
  /**
   * Packs, stores and lists. The same content again goes on where an earlier put stopped, also after a crash, whatever it
   * comes in: what a private one had packed waits in the state directory for two weeks, under the secret that it has.
   *
   * @throws {CoreError} `STORE_INCOMPLETE`, whose details say what stands where; of a private object also its `reference`
   */
  put(source: DiskSource, options?: PutOptions): Promise<PutResult>
  /** Reads an object back into a path that does not exist yet; every block is checked against its CID. */
  get(name: ObjectName, path: string, options?: GetOptions): Promise<WrittenTree>
  /** Reads one file, or a range of it, block by checked block; a directory's file by a path behind the name. */
  get(name: ObjectName, options?: GetOptions & FileRange): AsyncIterable<Uint8Array>
  /** What stands, since when, for how long and at what price, and what to do about what is wrong. */
  status(name: ObjectName, options?: CallOptions): Promise<ObjectStatus>
  /** When each replica was last verified, by whom and how: anybody's, not only those that this account pays for. */
  verified(name: ObjectName, options?: CallOptions): Promise<ObjectVerified>
  /**
   * Makes private pieces again that their providers say they lost, each from another replica, and sends them there. Takes
   * the repair key alone, as `hfr1…` or in a reference; nothing is read.
   *
   * @param name - one object; undefined for all that this account's list names, and the list itself
   * @throws {CoreError} `REFERENCE_INVALID`, also of a public object; `LIST_UNREADABLE`
   */
  repair(name?: string, options?: CallOptions<RepairEvent>): Promise<RepairResult>
  /** All that this account has put, by its own list in the network; the key alone finds it. */
  list(options?: CallOptions): Promise<ObjectsOfAccount>
  /** Stops paying for an object and takes it off the list. Others may have kept what they read. */
  remove(
    name: ObjectName,
    options?: CallOptions<{ readonly kind: 'removed' } & RemovedFrom>
  ): Promise<readonly RemovedFrom[]>
  /** What `topUp` would add. */
  quoteTopUp(name: ObjectName, options: { readonly rounds: number } & CallOptions): Promise<readonly TopUp[]>
  /** Funds the deals of an object for so many rounds from now on. */
  topUp(
    name: ObjectName,
    options: { readonly rounds: number } & CallOptions<{ readonly kind: 'toppedUp' } & TopUp>
  ): Promise<readonly TopUp[]>
  /** Idempotent. */
  stop(): Promise<void>
}
