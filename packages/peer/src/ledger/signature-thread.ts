/** A thread of the signature pool: takes records of digests and signatures, gives back who signed. */
import { parentPort } from 'node:worker_threads'
import {
  DIGEST_SIZE_BYTES,
  SIGNATURE_RECORD_SIZE_BYTES,
  type SignatureAnswer,
  type SignatureBatch
} from './signature-records.ts'
import { wasmSignatureVerifier } from './wasm-signatures.ts'

parentPort?.on('message', ({ id, records }: SignatureBatch) => {
  const signers = Array.from({ length: records.length / SIGNATURE_RECORD_SIZE_BYTES }, (_, index) => {
    const record = records.subarray(index * SIGNATURE_RECORD_SIZE_BYTES, (index + 1) * SIGNATURE_RECORD_SIZE_BYTES)
    return wasmSignatureVerifier.recover(record.subarray(0, DIGEST_SIZE_BYTES), record.subarray(DIGEST_SIZE_BYTES))
  })
  parentPort?.postMessage({ id, signers } satisfies SignatureAnswer)
})
