/** A thread of the signature pool: takes digests and signatures, gives back who signed. */
import { parentPort } from 'node:worker_threads'
import type { SignedDigest } from '@holdfast/core'
import { wasmSignatureVerifier } from './wasm-signatures.ts'

parentPort?.on('message', ({ id, signed }: { readonly id: number; readonly signed: readonly SignedDigest[] }) => {
  const signers = signed.map(({ digest, signature }) => wasmSignatureVerifier.recover(digest, signature))
  parentPort?.postMessage({ id, signers })
})
