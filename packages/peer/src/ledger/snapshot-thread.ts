/**
 * The thread that makes a snapshot: replays the log from the snapshot before to where it is told, and sends the state's
 * records. The host's own thread is never held up by it, nor does it need to stand still.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { encodeState, hashState, type LogTreeState, networkParametersSchema } from '@holdfast/core'
import { chooseNodeHasher } from '../node-hasher.ts'
import { machineFileSystem } from '../storage/file-system.ts'
import { receiveRecords, sendRecords } from './record-channel.ts'
import { recoverLedger } from './recover-ledger.ts'
import { readLogRange } from './segment-log.ts'
import type { LogPosition } from './segment-log-reader.ts'
import type { SnapshotFacts, SnapshotStore } from './snapshot-store.ts'
import { wasmSignatureVerifier } from './wasm-signatures.ts'

/** What the thread is started with. */
export interface SnapshotTask {
  readonly directory: string
  /** JSON of the network's parameters. */
  readonly parameters: string
  /** Entries that the snapshot covers. */
  readonly sequence: number
  /** The snapshot before; its records come over `base`. */
  readonly from: Awaited<ReturnType<SnapshotStore['list']>>[number] | undefined
  /** A place in the log at or before `from`. */
  readonly position: LogPosition | undefined
  readonly base: MessagePort
  readonly records: MessagePort
}

/** What it says at the end; the records have gone before. */
export interface SnapshotResult extends Omit<SnapshotFacts, 'sequence'> {
  readonly tree: LogTreeState
}

async function makeSnapshot({ directory, parameters, sequence, from, position, base, records }: SnapshotTask) {
  const { signal } = new AbortController() // the whole thread is ended instead
  let chainHash = from?.chainHash ?? new Uint8Array()
  const log = {
    length: sequence,
    async *read(range: { readonly from: number; readonly to?: number }) {
      const start = position !== undefined && position.sequence <= range.from ? position : undefined
      for await (const record of readLogRange(machineFileSystem, directory, { to: sequence, ...range }, start)) {
        chainHash = record.chainHash
        yield record
      }
    }
  }
  const { machine, tree } = await recoverLedger({
    log,
    parameters: networkParametersSchema.decode(JSON.parse(parameters)),
    tools: { signatures: wasmSignatureVerifier, nodeHasher: await chooseNodeHasher() },
    ...(from !== undefined && {
      snapshots: { list: async () => [from], read: () => receiveRecords(base, signal) }
    })
  })
  if (machine.state.sequence !== sequence)
    throw new RangeError(`expected ${sequence} entries in the log, got ${machine.state.sequence}`)
  await sendRecords(records, encodeState(machine.state), signal)
  return { stateHash: hashState(machine.state), chainHash, tree: tree.save() } satisfies SnapshotResult
}

parentPort?.postMessage(await makeSnapshot(workerData as SnapshotTask))
parentPort?.close()
