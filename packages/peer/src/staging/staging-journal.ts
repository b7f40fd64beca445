/**
 * What a staging directory says of itself: whose it is, of what source, and, once its pieces are whole, which object they
 * are. Holds the object's secret, so it is as private as a key file. Written whole or not at all.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatReference, type ObjectReference, type PackedFacts, parseReference } from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { z } from 'zod'
import { machineFileSystem, replaceFile } from '../storage/file-system.ts'

const JOURNAL_NAME = 'journal.json'

const cidText = z.string().transform((text, context) => {
  try {
    return CID.parse(text)
  } catch {
    context.addIssue({ code: 'custom', message: 'a CID' })
    return z.NEVER
  }
})

const referenceText = z.string().transform((text, context): ObjectReference => {
  const verdict = parseReference(text)
  if (verdict.ok) return verdict.reference
  context.addIssue({ code: 'custom', message: 'a reference' })
  return z.NEVER
})

const natural = z.int().min(0)

const journalSchema = z.strictObject({
  version: z.literal(1),
  /** The process that works with the directory; 0 when nobody does. */
  pid: natural,
  /** When it began, milliseconds of Unix time. */
  startedMs: natural,
  /** Of the source and of how it is packed; null when it cannot be found again. */
  fingerprint: z.string().nullable(),
  /** Null until every piece is whole. */
  object: z
    .strictObject({
      root: cidText,
      reference: referenceText.nullable(),
      pieces: z.array(z.strictObject({ rawSize: natural, blockCount: natural, cids: z.array(cidText) })),
      contentSizeBytes: natural,
      fileCount: natural,
      blockCount: natural
    })
    .nullable()
})

export interface StagingJournal {
  readonly pid: number
  readonly startedMs: number
  readonly fingerprint: string | undefined
  readonly object: PackedFacts | undefined
}

/** @returns undefined when there is none, or none that can be used */
export async function readJournal(directory: string): Promise<StagingJournal | undefined> {
  const text = await readFile(join(directory, JOURNAL_NAME), 'utf8').catch(() => undefined)
  const parsed = text === undefined ? undefined : journalSchema.safeParse(parseJson(text))
  if (parsed?.success !== true) return undefined
  const { pid, startedMs, fingerprint, object } = parsed.data
  return {
    pid,
    startedMs,
    fingerprint: fingerprint ?? undefined,
    object: object === null ? undefined : { ...object, reference: object.reference ?? undefined }
  }
}

export async function writeJournal(directory: string, journal: StagingJournal): Promise<void> {
  const { pid, startedMs, fingerprint, object } = journal
  const text = JSON.stringify({
    version: 1,
    pid,
    startedMs,
    fingerprint: fingerprint ?? null,
    object:
      object === undefined
        ? null
        : {
            root: object.root.toString(),
            reference: object.reference === undefined ? null : formatReference(object.reference),
            pieces: object.pieces.map(({ rawSize, blockCount, cids }) => ({
              rawSize,
              blockCount,
              cids: cids.map(String)
            })),
            contentSizeBytes: object.contentSizeBytes,
            fileCount: object.fileCount,
            blockCount: object.blockCount
          }
  })
  await replaceFile(machineFileSystem, join(directory, JOURNAL_NAME), new TextEncoder().encode(text))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // torn by a crash; as good as none
  }
}
