/** A thread that hashes pieces beside the one that reads, encrypts and sends. Started by hashing-threads.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Keystream } from '@holdfast/core'
import { createPieceHasher, type PieceHasher } from '@holdfast/proofs'
import { createKeystream } from '../keystream.ts'
import { chooseNodeHasher } from '../node-hasher.ts'
import type { HashingAnswer, HashingRequest, HashingThreadData } from './hashing-messages.ts'

const nodeHasher = await chooseNodeHasher()
const { slabs } = workerData as HashingThreadData

interface OpenPiece {
  readonly hasher: PieceHasher
  readonly keystream: Keystream | undefined
}
const pieces = new Map<number, OpenPiece>()

function run({ call, piece, wanted }: HashingRequest): HashingAnswer {
  const open = pieces.get(piece)
  switch (wanted.kind) {
    case 'open':
      pieces.set(piece, {
        hasher: createPieceHasher({ nodeHasher }),
        keystream: wanted.replicaKey && createKeystream(wanted.replicaKey, 0)
      })
      return { call, ok: true }
    case 'update': {
      const bytes = slabs[wanted.slab]!.subarray(0, wanted.sizeBytes)
      open?.keystream?.xor(bytes)
      if (wanted.isExpanded) open?.hasher.updateExpanded(bytes)
      else open?.hasher.update(bytes)
      return { call, ok: true }
    }
    case 'digest':
      pieces.delete(piece)
      open?.hasher.update(wanted.rest)
      return { call, ok: true, ...(open !== undefined && { cid: open.hasher.digest().cid.bytes }) }
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
