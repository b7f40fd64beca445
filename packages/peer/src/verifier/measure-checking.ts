/** What checking proofs costs on this machine, measured: a verifier is shown milliseconds, not guesses. */
import { createSigner } from '@holdfast/core'
import type { NodeHasher } from '@holdfast/proofs'
import { wasmSignatureVerifier } from '../ledger/wasm-signatures.ts'

/** Enough for two digits, in some twenty milliseconds. */
const HASHES = 4_096
const SIGNATURES = 32
const NODE_SIZE_BYTES = 32

export interface CheckingCost {
  readonly hasher: string
  /** Of one pair of nodes, and of recovering one signer, in milliseconds. */
  readonly hashMs: number
  readonly signatureMs: number
}

export function measureChecking(nodeHasher: NodeHasher): CheckingCost {
  const digest = new Uint8Array(NODE_SIZE_BYTES).fill(1)
  const signature = createSigner(digest).sign(digest)
  const nodes = new Uint8Array(2 * NODE_SIZE_BYTES * HASHES)
  const parents = new Uint8Array(NODE_SIZE_BYTES * HASHES)
  return {
    hasher: nodeHasher.name,
    hashMs: timeOf(() => nodeHasher.hashLayer(nodes, parents)) / HASHES,
    signatureMs:
      timeOf(() => {
        for (let count = 0; count < SIGNATURES; count += 1) wasmSignatureVerifier.recover(digest, signature)
      }) / SIGNATURES
  }
}

/** CPU of this thread, in milliseconds, whatever else the machine does. Of the second time: the first pays for compiling. */
function timeOf(work: () => void): number {
  work()
  const from = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(from)
  return (user + system) / 1000
}
