/**
 * What a client remembers between runs, beside its key: how fast providers were, and how new its object list was. Losing it
 * costs speed and a check, never an object.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type Address,
  addressSchema,
  createMeasurements,
  type Measurements,
  type ProviderMeasurement
} from '@holdfast/core'
import { z } from 'zod'
import { machineFileSystem, replaceFile } from '../storage/file-system.ts'

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
  /** Sequence of the newest object list that was seen. */
  listSequence: number
  /** Writes it down. Never rejects: a client works without. */
  save(): Promise<void>
}

/** @param path - the file; undefined for a client that remembers nothing */
export async function openClientState(path: string | undefined): Promise<ClientState> {
  const known = path === undefined ? undefined : await read(path)
  const state: ClientState = {
    measurements: createMeasurements(known?.measurements),
    listSequence: known?.listSequence ?? -1,
    async save() {
      if (path === undefined) return
      const text = JSON.stringify({
        version: 1,
        listSequence: state.listSequence,
        measurements: [...state.measurements.snapshot()].map(([provider, one]) => [provider, toJson(one)])
      })
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 })
        await replaceFile(machineFileSystem, path, new TextEncoder().encode(`${text}\n`))
      } catch {
        // read-only or full: measured again next time
      }
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

function toJson({ latencyMs, uploadBytesPerSecond, downloadBytesPerSecond, failures }: ProviderMeasurement) {
  return {
    latencyMs: latencyMs ?? null,
    uploadBytesPerSecond: uploadBytesPerSecond ?? null,
    downloadBytesPerSecond: downloadBytesPerSecond ?? null,
    failures
  }
}
