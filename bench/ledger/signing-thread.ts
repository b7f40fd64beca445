import { parentPort, workerData } from 'node:worker_threads'
import { SIGNATURE_SIZE_BYTES } from '@holdfast/core'
import { createBenchNetwork, transferAt } from './bench-network.ts'
import type { SigningTask } from './sign-transfers.ts'

const { network: options, from, to } = workerData as SigningTask
const network = createBenchNetwork(options)
const signatures = new Uint8Array((to - from) * SIGNATURE_SIZE_BYTES)
for (let index = from; index < to; index += 1)
  signatures.set(transferAt(network, index).signature, (index - from) * SIGNATURE_SIZE_BYTES)
parentPort?.postMessage(signatures)
