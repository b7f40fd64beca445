/** A thread that hashes pieces beside the one that reads, encrypts and sends. Started by hashing-threads.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { createPieceHasher, type PieceHasher } from '@holdfast/proofs'
import { chooseNodeHasher } from '../node-hasher.ts'
import type { HashingAnswer, HashingRequest, HashingThreadData } from './hashing-messages.ts'

const nodeHasher = await chooseNodeHasher()
const slabs = (workerData as HashingThreadData).slabs.map(slab => new Uint8Array(slab))
const pieces = new Map<number, PieceHasher>()

function run({ call, piece, wanted }: HashingRequest): HashingAnswer {
  const hasher = pieces.get(piece)
  switch (wanted.kind) {
    case 'open':
      pieces.set(piece, createPieceHasher({ nodeHasher }))
      return { call, ok: true }
    case 'update':
      hasher?.update(slabs[wanted.slab]!.subarray(0, wanted.sizeBytes))
      return { call, ok: true }
    case 'digest':
      pieces.delete(piece)
      return { call, ok: true, ...(hasher !== undefined && { cid: hasher.digest().cid.bytes }) }
    case 'discard':
      pieces.delete(piece)
      return { call, ok: true }
  }
}

parentPort?.on('message', (request: HashingRequest) => {
  let answer: HashingAnswer
  try {
    answer = run(request)
  } catch (error) {
    answer = { call: request.call, ok: false, message: error instanceof Error ? error.message : String(error) }
  }
  parentPort?.postMessage(answer)
})
