/** What goes between a client's main thread and its hashing threads. Plain data and shared slabs. */

export interface HashingRequest {
  readonly call: number
  readonly piece: number
  readonly wanted:
    | { readonly kind: 'digest' | 'discard' }
    /** With a key the piece is what the bytes become under its keystream. */
    | { readonly kind: 'open'; readonly replicaKey: Uint8Array | undefined }
    /** The bytes lie at the front of the slab of that number, which is the thread's until it answers. */
    | { readonly kind: 'update'; readonly slab: number; readonly sizeBytes: number }
}

/** What a thread is started with: sharing the slabs anew with every message would cost as much as hashing them. */
export interface HashingThreadData {
  readonly slabs: readonly SharedArrayBuffer[]
}

export type HashingAnswer =
  | { readonly call: number; readonly ok: true; readonly cid?: Uint8Array }
  | { readonly call: number; readonly ok: false; readonly message: string }
