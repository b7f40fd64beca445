import { join } from 'node:path'
import { Level } from 'level'
import {
  openSegmentLog,
  type SegmentLog,
  type SegmentLogEvent,
  type SegmentLogOptions
} from '../../src/ledger/segment-log.ts'

export interface TestLog extends AsyncDisposable {
  readonly log: SegmentLog
  readonly index: Level<string, string>
  readonly events: SegmentLogEvent[]
  /** Where the segments stand. */
  readonly directory: string
}

/** A log with its index under a directory; closing it leaves both on disk. */
export async function openTestLog(path: string, options: Partial<SegmentLogOptions> = {}): Promise<TestLog> {
  const directory = join(path, 'ledger')
  const index = new Level<string, string>(join(path, 'index'))
  const events: SegmentLogEvent[] = []
  try {
    const log = await openSegmentLog({ directory, index, onEvent: event => events.push(event), ...options })
    const close = async () => {
      await log.close()
      await index.close()
    }
    return { log, index, events, directory, [Symbol.asyncDispose]: close }
  } catch (error) {
    await index.close()
    throw error
  }
}

/** Distinct payloads of a few hundred bytes whose text says which they are. */
export function payloadOf(sequence: number, sizeBytes = 100 + (sequence % 200)): Uint8Array {
  return Buffer.from(`entry ${sequence} `.padEnd(sizeBytes, '.'))
}

export async function readAll(log: SegmentLog, from = 0): Promise<string[]> {
  const texts: string[] = []
  for await (const { payload } of log.read({ from })) texts.push(Buffer.from(payload).toString())
  return texts
}

export function textsOf(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => Buffer.from(payloadOf(from + i)).toString())
}
