/** A thread of the signature pool: takes records of digests and signatures, gives back who signed; checks beacons too. */
import { parentPort } from 'node:worker_threads'
import { verifyBeaconSignature } from '@holdfast/core/threads/signatures'
import {
  type BeaconAnswer,
  type BeaconQuestion,
  DIGEST_SIZE_BYTES,
  SIGNATURE_RECORD_SIZE_BYTES,
  type SignatureAnswer,
  type SignatureBatch
} from './signature-records.ts'
import { wasmSignatureVerifier } from './wasm-signatures.ts'

parentPort?.on('message', (asked: SignatureBatch | BeaconQuestion) => {
  parentPort?.postMessage('records' in asked ? recoverAll(asked) : checkBeacon(asked))
})

function recoverAll({ id, records }: SignatureBatch): SignatureAnswer {
  const signers = Array.from({ length: records.length / SIGNATURE_RECORD_SIZE_BYTES }, (_, index) => {
    const record = records.subarray(index * SIGNATURE_RECORD_SIZE_BYTES, (index + 1) * SIGNATURE_RECORD_SIZE_BYTES)
    return wasmSignatureVerifier.recover(record.subarray(0, DIGEST_SIZE_BYTES), record.subarray(DIGEST_SIZE_BYTES))
  })
  return { id, signers }
}

function checkBeacon({ id, publicKey, beaconRound, signature }: BeaconQuestion): BeaconAnswer {
  return { id, isGood: verifyBeaconSignature(publicKey, beaconRound, signature) }
}
