/** Signs a row of transfers on all cores, before anything is measured. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { SIGNATURE_SIZE_BYTES } from '@holdfast/core'
import type { NetworkOptions } from './bench-network.ts'

export interface SigningTask {
  readonly network: NetworkOptions
  readonly from: number
  readonly to: number
}

/** @returns the signature of each transfer of `transferAt`, `from` ≤ index < `to`, end to end */
export async function signTransfers(network: NetworkOptions, from: number, to: number): Promise<Uint8Array> {
  const threads = availableParallelism()
  const share = Math.ceil((to - from) / threads)
  const shares = Array.from({ length: threads }, (_, thread) => {
    const begin = Math.min(to, from + thread * share)
    return signShare({ network, from: begin, to: Math.min(to, begin + share) })
  })
  return Buffer.concat(await Promise.all(shares))
}

function signShare(task: SigningTask): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    new Worker(new URL('signing-thread.ts', import.meta.url), { workerData: task })
      .once('message', resolve)
      .once('error', reject)
  })
}

/** @returns the signature at a place of `signTransfers`, in memory of its own */
export function signatureAt(signatures: Uint8Array, position: number): Uint8Array {
  return Uint8Array.from(signatures.subarray(position * SIGNATURE_SIZE_BYTES, (position + 1) * SIGNATURE_SIZE_BYTES))
}
