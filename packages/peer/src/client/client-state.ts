/**
 * What a client remembers between runs, beside its key: how fast providers were, how new its object list was, and, in a file
 * of its own, what the parts of public leaves must be that it stored or read. Losing it costs speed and a check, never an object.
 */
import { hash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  type Address,
  addressSchema,
  createLeafParts,
  createMeasurements,
  type LeafParts,
  type Measurements,
  type ProviderMeasurement
} from '@holdfast/core'
import { z } from 'zod'
import { machineFileSystem, replaceFile } from '../storage/file-system.ts'

/**
 * "HOLDPART" ‖ u32 version ‖ SHA-256 of what follows ‖ a snapshot of leaf parts. Written anew as a whole, so that a crash leaves
 * the one before; one that is damaged counts for nothing.
 */
const LEAF_PARTS_FILE = 'leaf-parts'
const LEAF_PARTS_MAGIC = Buffer.from('HOLDPART\0\0\0\x01', 'latin1')
const LEAF_PARTS_HEADER_SIZE_BYTES = LEAF_PARTS_MAGIC.length + 32

const rate = z.number().min(0).nullable()

const stateSchema = z.strictObject({
  version: z.literal(1),
  /** −1 before the first list. */
  listSequence: z.int().min(-1),
  measurements: z.array(
    z.tuple([
      addressSchema,
      z.strictObject({
        latencyMs: rate,
        uploadBytesPerSecond: rate,
        downloadBytesPerSecond: rate,
        failures: z.int().min(0)
      })
    ])
  )
})

export interface ClientState {
  readonly measurements: Measurements
  readonly leafParts: LeafParts
  /** Of private objects. Not written down: what stands there tells who reads it what somebody has. */
  readonly privateLeafParts: LeafParts
  /** Sequence of the newest object list that was seen. */
  listSequence: number
  /** Writes it down. Never rejects: a client works without. */
  save(): Promise<void>
}

/** @param path - the file; undefined for a client that remembers nothing */
export async function openClientState(path: string | undefined): Promise<ClientState> {
  const known = path === undefined ? undefined : await read(path)
  const partsPath = path === undefined ? undefined : join(dirname(path), LEAF_PARTS_FILE)
  const leafParts = createLeafParts({
    before: partsPath === undefined ? undefined : await readParts(partsPath),
    digestInto
  })
  /** Of what was learned, as much as stands in the file. */
  let saved = 0
  /** The save that is under way or was the last: calls of one client end together. */
  let saving: Promise<void> = Promise.resolve()
  const state: ClientState = {
    measurements: createMeasurements(known?.measurements),
    leafParts,
    privateLeafParts: createLeafParts({ digestInto }),
    listSequence: known?.listSequence ?? -1,
    save() {
      saving = saving.then(write)
      return saving
    }
  }

  async function write(): Promise<void> {
    if (path === undefined) return
    const text = JSON.stringify({
      version: 1,
      listSequence: state.listSequence,
      measurements: [...state.measurements.snapshot()].map(([provider, one]) => [provider, toJson(one)])
    })
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await replaceFile(machineFileSystem, path, new TextEncoder().encode(`${text}\n`))
      const { learned } = leafParts
      if (partsPath === undefined || learned === saved) return
      await replaceFile(machineFileSystem, partsPath, withHeader(leafParts.snapshot(LEAF_PARTS_HEADER_SIZE_BYTES)))
      saved = learned
    } catch {
      // read-only or full: measured again next time
    }
  }
  return state
}

async function read(path: string) {
  try {
    const { listSequence, measurements } = stateSchema.parse(JSON.parse(await readFile(path, 'utf8')))
    return {
      listSequence,
      measurements: measurements.map(([provider, one]): [Address, ProviderMeasurement] => [
        provider,
        {
          latencyMs: one.latencyMs ?? undefined,
          uploadBytesPerSecond: one.uploadBytesPerSecond ?? undefined,
          downloadBytesPerSecond: one.downloadBytesPerSecond ?? undefined,
          // A provider that failed yesterday gets another chance.
          failures: 0
        }
      ])
    }
  } catch {
    return undefined // none yet, or damaged
  }
}

/** Without an array for each digest: of a large file they are hundreds of thousands. */
function digestInto(bytes: Uint8Array, target: Uint8Array, offset: number): void {
  Buffer.from(target.buffer, target.byteOffset, target.length).write(hash('sha256', bytes, 'binary'), offset, 'binary')
}

/** @param bytes - with room for the header in front */
function withHeader(bytes: Uint8Array): Uint8Array {
  bytes.set(LEAF_PARTS_MAGIC)
  bytes.set(hash('sha256', bytes.subarray(LEAF_PARTS_HEADER_SIZE_BYTES), 'buffer'), LEAF_PARTS_MAGIC.length)
  return bytes
}

async function readParts(path: string): Promise<Uint8Array | undefined> {
  const bytes = await readFile(path).catch(() => undefined)
  if (bytes === undefined || !bytes.subarray(0, LEAF_PARTS_MAGIC.length).equals(LEAF_PARTS_MAGIC)) return undefined
  const snapshot = bytes.subarray(LEAF_PARTS_HEADER_SIZE_BYTES)
  const digest = bytes.subarray(LEAF_PARTS_MAGIC.length, LEAF_PARTS_HEADER_SIZE_BYTES)
  return hash('sha256', snapshot, 'buffer').equals(digest) ? snapshot : undefined
}

function toJson({ latencyMs, uploadBytesPerSecond, downloadBytesPerSecond, failures }: ProviderMeasurement) {
  return {
    latencyMs: latencyMs ?? null,
    uploadBytesPerSecond: uploadBytesPerSecond ?? null,
    downloadBytesPerSecond: downloadBytesPerSecond ?? null,
    failures
  }
}
