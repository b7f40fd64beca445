/**
 * A worker that takes pieces in: writes, hashes and scans slabs beside the thread that holds the network.
 *
 * Runs the same files as a store without workers does; this is only their door. Started by intake-workers.ts.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { machineClock } from '@holdfast/core/threads/intake'
import { chooseNodeHasher } from '../node-hasher.ts'
import { machineFileSystem } from './file-system.ts'
import { createIncomingFiles, type IncomingFile } from './incoming-file.ts'
import {
  type IntakeAnswer,
  type IntakeCall,
  type IntakeRequest,
  type IntakeWorkerData,
  postError,
  slabOf
} from './intake-messages.ts'

const port = parentPort
if (port === null) throw new TypeError('this file is the body of a worker')

const { slabs } = workerData as IntakeWorkerData
const open = createIncomingFiles(machineFileSystem, await chooseNodeHasher(), machineClock)
const files = new Map<number, IncomingFile>()
/** One call of a file after the other. */
const turns = new Map<number, Promise<unknown>>()

async function run(file: number, wanted: IntakeCall): Promise<unknown> {
  if (wanted.kind === 'open') {
    const incoming = await open(wanted.options)
    files.set(file, incoming)
    return incoming.positionBytes
  }
  const incoming = files.get(file)
  if (incoming === undefined) return undefined
  if (wanted.kind === 'write') return incoming.write(slabOf(slabs, wanted.slab, wanted.sizeBytes))
  if (wanted.kind !== 'suspend' && wanted.kind !== 'discard') return incoming[wanted.kind]()
  try {
    return await incoming[wanted.kind]()
  } finally {
    files.delete(file)
    turns.delete(file)
  }
}

async function answer({ call, file, wanted }: IntakeRequest): Promise<void> {
  const turn = (turns.get(file) ?? Promise.resolve()).then(() => run(file, wanted))
  turns.set(
    file,
    turn.catch(() => undefined)
  )
  let message: IntakeAnswer
  try {
    message = { call, ok: true, value: await turn }
  } catch (error) {
    message = { call, ok: false, error: postError(error) }
  }
  port?.postMessage(message)
}

port.on('message', (request: IntakeRequest) => void answer(request))
