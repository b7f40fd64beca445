/**
 * The places where a client's pieces wait while they are stored: one directory for each object, under the client's own.
 *
 * A directory is taken by one process at a time. What a process leaves behind that was killed is found again when the same
 * content is stored again, and swept when it is of no use or old.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { uptime } from 'node:os'
import { join } from 'node:path'
import type { PackedFacts, Staging } from '@holdfast/core'
import { openStagedFile, readStagedFile, stagingFailed } from '../staged-file.ts'
import { readJournal, type StagingJournal, writeJournal } from './staging-journal.ts'

/** How long pieces wait for a store that was given up. */
export const STAGED_MS_MAX = 14 * 24 * 60 * 60_000

/** A directory that this process works with. Disposing of it removes it. */
export interface StagingDirectory extends Staging {
  readonly path: string
  /** What stands in its journal. */
  readonly journal: StagingJournal
  /** Writes what is known of the object now. */
  note(object: StagingJournal['object']): Promise<void>
  /** Lets go of the directory and leaves it where it is, for a store that goes on later. */
  leave(): Promise<void>
}

/** Makes a new directory under `parent`. @throws {PeerError} `STAGING_FAILED` */
export async function createStagingDirectory(
  parent: string,
  fingerprint: string | undefined
): Promise<StagingDirectory> {
  const path = join(parent, newName())
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    return await take(path, { fingerprint, object: undefined })
  } catch (cause) {
    await rm(path, { recursive: true, force: true }).catch(() => undefined)
    throw stagingFailed(parent, cause)
  }
}

/** A journal whose pieces are whole. */
export type StagedJournal = StagingJournal & { readonly object: PackedFacts }

/** Takes over what was staged whole, is wanted, and is nobody's now. */
export async function findStagingDirectory(
  parent: string,
  isWanted: (journal: StagedJournal) => boolean
): Promise<StagingDirectory | undefined> {
  for (const path of await listDirectories(parent)) {
    const journal = await readJournal(path)
    if (journal === undefined || !isStaged(journal) || isInUse(journal) || !isWanted(journal)) continue
    const own = join(parent, newName())
    // Of several processes that want it, one renames it.
    const isTaken = await rename(path, own).then(
      () => true,
      () => false
    )
    if (isTaken) return await take(own, journal)
  }
  return undefined
}

function isStaged(journal: StagingJournal): journal is StagedJournal {
  return journal.object !== undefined
}

/** Removes what no store can use any more. */
export async function sweepStagingDirectories(parent: string, nowMs: number): Promise<void> {
  for (const path of await listDirectories(parent)) {
    const journal = await readJournal(path)
    if (journal !== undefined && isInUse(journal)) continue
    // A public object is packed into the same pieces again.
    const isUseful = journal?.object?.reference !== undefined
    if (isUseful && nowMs - journal.startedMs < STAGED_MS_MAX) continue
    await rm(path, { recursive: true, force: true })
  }
}

async function listDirectories(parent: string): Promise<string[]> {
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => [])
  return entries.filter(entry => entry.isDirectory() && NAME.test(entry.name)).map(({ name }) => join(parent, name))
}

const NAME = /^object-[0-9a-f]{16}$/

function newName(): string {
  return `object-${randomBytes(8).toString('hex')}`
}

/** Whether its process still runs; a number from before the machine was started is somebody else's. */
function isInUse({ pid, startedMs }: StagingJournal): boolean {
  if (pid === 0 || startedMs < Date.now() - uptime() * 1000) return false
  if (pid === process.pid) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function take(
  path: string,
  { fingerprint, object }: Pick<StagingJournal, 'fingerprint' | 'object'>
): Promise<StagingDirectory> {
  let journal: StagingJournal = { pid: process.pid, startedMs: Date.now(), fingerprint, object }
  await writeJournal(path, journal)
  const fileOf = (index: number) => join(path, `${index}.piece`)
  return {
    path,
    get journal() {
      return journal
    },
    openPiece: index => openStagedFile(fileOf(index)),
    readPiece: (index, offset) => readStagedFile(fileOf(index), offset),
    async note(object) {
      journal = { ...journal, object }
      await writeJournal(path, journal)
    },
    async leave() {
      await writeJournal(path, { ...journal, pid: 0 })
    },
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true })
    }
  }
}
