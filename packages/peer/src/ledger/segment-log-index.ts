/**
 * Where records stand: a mark every `MARK_EVERY_BYTES` of log, in Level.
 *
 * Rebuilt from the log at every open, since opening reads all of it anyway, and written without waiting for the disk: a
 * mark that is missing costs a longer read, and a mark that lies is found because it names its own sequence and the
 * chain hash of the record it points at.
 */
import { type IndexLevel, type IndexOperation, REBUILDABLE } from '../storage/index-level.ts'
import type { LocatedRecord, LogPosition } from './segment-log-reader.ts'

/** A read from any sequence begins with at most this much of skipped log; a year of a busy log is some 10^5 marks. */
export const MARK_EVERY_BYTES = 256 * 1024

export interface Mark extends LogPosition {
  /** Hex of the record's chain hash. */
  readonly chainHash: string
}

/** Picks the records that deserve a mark: the first of a segment, and then one every `MARK_EVERY_BYTES`. */
export function createMarker(): (record: LocatedRecord) => Mark | undefined {
  let marked: LogPosition | undefined
  return record => {
    const near = marked?.segment === record.segment && record.offset - marked.offset < MARK_EVERY_BYTES
    if (near) return undefined
    const { sequence, segment, offset, chainHash } = record
    marked = { sequence, segment, offset }
    return { ...marked, chainHash: Buffer.from(chainHash).toString('hex') }
  }
}

export async function addMarks(level: IndexLevel, marks: readonly Mark[]): Promise<void> {
  if (marks.length > 0) await level.batch(marks.map(putOperation), REBUILDABLE)
}

/** @returns the last mark at or before a sequence; undefined when there is none, or when it contradicts its own key */
export async function findMark(level: IndexLevel, sequence: number): Promise<Mark | undefined> {
  for await (const [key, value] of level.iterator({ lte: keyOf(sequence), reverse: true, limit: 1 })) {
    const mark = parseMark(value)
    return mark !== undefined && keyOf(mark.sequence) === key ? mark : undefined
  }
  return undefined
}

/**
 * Makes the index say exactly what the log says.
 *
 * @returns how many of its entries were missing, wrong or too many
 */
export async function repairMarks(level: IndexLevel, marks: readonly Mark[]): Promise<number> {
  const wanted = new Map(marks.map(mark => [keyOf(mark.sequence), mark]))
  const operations: IndexOperation[] = []
  for await (const [key, value] of level.iterator({})) {
    const mark = wanted.get(key)
    if (mark === undefined) operations.push({ type: 'del', key })
    else if (JSON.stringify(mark) === value) wanted.delete(key)
  }
  operations.push(...Array.from(wanted.values(), putOperation))
  if (operations.length > 0) await level.batch(operations, REBUILDABLE)
  return operations.length
}

/** @returns keys of marks that are missing, wrong or too many; changes nothing */
export async function compareMarks(level: IndexLevel, marks: readonly Mark[]): Promise<string[]> {
  const wanted = new Map(marks.map(mark => [keyOf(mark.sequence), mark]))
  const wrong: string[] = []
  for await (const [key, value] of level.iterator({})) {
    if (JSON.stringify(wanted.get(key)) !== value) wrong.push(key)
    wanted.delete(key)
  }
  return [...wrong, ...wanted.keys()]
}

function putOperation(mark: Mark): IndexOperation {
  return { type: 'put', key: keyOf(mark.sequence), value: JSON.stringify(mark) }
}

function keyOf(sequence: number): string {
  return String(sequence).padStart(16, '0')
}

function parseMark(value: string): Mark | undefined {
  try {
    const mark = JSON.parse(value) as Mark
    const sound = [mark.sequence, mark.segment, mark.offset].every(Number.isSafeInteger)
    return sound && typeof mark.chainHash === 'string' ? mark : undefined
  } catch {
    return undefined
  }
}
