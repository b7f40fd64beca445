import { parentPort, workerData } from 'node:worker_threads'
import type { SignedDigest } from '@holdfast/core'
import { wasmSignatureVerifier } from '@holdfast/peer'

const signed = workerData as readonly (SignedDigest & { readonly signer: string })[]
parentPort?.on('message', () => {
  for (const { digest, signature, signer } of signed) {
    if (wasmSignatureVerifier.recover(digest, signature) !== signer) throw new Error('expected the signer')
  }
  parentPort?.postMessage('done')
})
