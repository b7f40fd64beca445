/** What goes between a client's main thread and its hashing threads. Plain data and shared slabs. */

export interface HashingRequest {
  readonly call: number
  readonly piece: number
  readonly wanted:
    | { readonly kind: 'discard' }
    /** With the bytes behind the last whole quad. */
    | { readonly kind: 'digest'; readonly rest: Uint8Array }
    /** With a key the piece is what the bytes become under its keystream. */
    | { readonly kind: 'open'; readonly replicaKey: Uint8Array | undefined }
    /** They lie at the front of the slab of that number, which is the thread's until it answers. */
    | { readonly kind: 'update'; readonly slab: number; readonly sizeBytes: number; readonly isExpanded: boolean }
}

/** What a thread is started with: sharing the slabs anew with every message would cost as much as hashing them. */
export interface HashingThreadData {
  readonly slabs: readonly Uint8Array<SharedArrayBuffer>[]
}

export type HashingAnswer =
  | { readonly call: number; readonly ok: true; readonly cid?: Uint8Array }
  | { readonly call: number; readonly ok: false; readonly message: string }
