/** What goes between a client's main thread and its hashing threads. Plain data and shared slabs. */

export interface HashingRequest {
  readonly call: number
  readonly piece: number
  readonly wanted:
    | { readonly kind: 'open' | 'digest' | 'discard' }
    /** The bytes lie at the front of a slab, which is the thread's until it answers. */
    | { readonly kind: 'update'; readonly slab: SharedArrayBuffer; readonly sizeBytes: number }
}

export type HashingAnswer =
  | { readonly call: number; readonly ok: true; readonly cid?: Uint8Array }
  | { readonly call: number; readonly ok: false; readonly message: string }
