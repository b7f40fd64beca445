/**
 * Brings a damaged log back from somebody who has it.
 *
 * Files that are sound stay as they are. Of the others what is sound is written again, and the source's entries where it is
 * not; what the log lacks of the newest head comes from the source too. Believes nobody: the source's entries must continue the chain of the files around them, and the
 * whole must have the root of the newest head that the network's host has signed. Nothing of the log changes before that is
 * known. Damaged files are kept beside the new ones under another name.
 *
 * What if the power goes here? Files are replaced one by one, each whole; mending once more does the rest.
 */
import { join } from 'node:path'
import {
  createLogTree,
  forkProofOf,
  type HeadAuthority,
  hashHead,
  type LedgerSource,
  type SignedLogHead,
  verifyHead
} from '@holdfast/core'
import { PeerError } from '../error.ts'
import { type FileSystem, machineFileSystem, syncDirectory } from '../storage/file-system.ts'
import { readHeadRing, replaceHeadRing } from './head-ring.ts'
import { CHAIN_START, chainHashOf } from './segment-log-format.ts'
import { listSegments, type SegmentEnd, walkSegment } from './segment-log-reader.ts'
import { createSegmentWriter, UNFINISHED_SUFFIX } from './segment-writer.ts'

/** Ends the names of files that were damaged. */
export const DAMAGED_SUFFIX = '.damaged'

export interface MendOptions {
  /** Of the log; nobody may have it open. */
  readonly directory: string
  readonly authority: HeadAuthority
  /** A follower of the network, or its host. */
  readonly source: Pick<LedgerSource, 'entries' | 'head'>
  readonly signal: AbortSignal
  readonly files?: FileSystem
}

/** What was wrong, and what was done. */
export interface MendReport {
  /** Entries of the log now, and the newest head over it. */
  readonly length: number
  readonly head: { readonly number: number; readonly size: number }
  /** Ranges that were written again, `from` to `to` − 1, and why. */
  readonly mended: readonly { readonly from: number; readonly to: number; readonly reason: string }[]
  /** Whether the file of heads had to be written again. */
  readonly headsMended: boolean
}

/** A stretch of the log: a sound file, the sound beginning of one that is not, or what has to come from the source. */
interface Stretch {
  readonly from: number
  /** Exclusive. */
  readonly to: number
  /** The file that has it. */
  readonly name?: string
  /** Whether that file stays as it is. */
  readonly isKept: boolean
  /** Why it does not stand as it should. */
  readonly reason?: string
}

/**
 * @throws {PeerError} `MEND_NO_HEAD` when neither side has a head; `MEND_SOURCE_SHORT` when the source lacks what is needed;
 * `MEND_CONTRADICTS` when its entries are not those that the host signed, or that stood here; `LOG_FORKED`
 * @throws {CoreError} `LEDGER_UNREACHABLE`
 */
export async function mendLog(options: MendOptions): Promise<MendReport> {
  const { directory, source, signal, files = machineFileSystem } = options
  await files.mkdir(directory, { recursive: true, mode: 0o700 })
  const { known, newest, ringIsWhole } = await gatherHeads(options, files)
  const stretches = await surveyLog(files, directory, newest.size)
  const written: string[] = []
  const tree = createLogTree()
  let chainHash = CHAIN_START
  const count = (payload: Uint8Array) => {
    tree.append(payload)
    for (const head of known) if (head.size === tree.size) expectRoot(head, tree.root())
  }
  for (const stretch of stretches) {
    signal.throwIfAborted()
    const payloads =
      stretch.name === undefined
        ? entriesOf(source, stretch, signal)
        : payloadsOf(files, directory, { name: stretch.name, first: stretch.from }, chainHash)
    const writer = stretch.isKept ? undefined : createSegmentWriter(files, directory, stretch.from, chainHash)
    try {
      for await (const payload of payloads) {
        count(payload)
        await writer?.write(payload)
        chainHash = chainHashOf(chainHash, payload)
      }
    } finally {
      await writer?.finish()
    }
    if (tree.size !== stretch.to) throw contradiction(tree.size, 'the files around it hold other entries')
    written.push(...(writer?.names ?? []))
  }
  await swapIn(files, directory, written, stretches)
  const headsMended = !ringIsWhole
  if (headsMended) await replaceHeadRing(directory, known, files)
  const mended = stretches.flatMap(({ from, to, reason }) => (reason === undefined ? [] : [{ from, to, reason }]))
  return { length: tree.size, head: { number: newest.number, size: newest.size }, mended, headsMended }
}

/** Heads of both sides that the host has signed, and the newest of them. */
async function gatherHeads(
  { directory, authority, source, signal }: MendOptions,
  files: FileSystem
): Promise<{ known: SignedLogHead[]; newest: SignedLogHead; ringIsWhole: boolean }> {
  const ring = await readHeadRing(directory, files)
  const own = [...ring.heads.values()]
  const bytes = await source.head(undefined, signal)
  const verdict = bytes === undefined ? undefined : verifyHead(bytes, authority)
  const theirs = verdict?.ok === true ? verdict.head : undefined
  const same = theirs && ring.heads.get(theirs.number)
  if (theirs !== undefined && same !== undefined && Buffer.compare(hashHead(theirs), hashHead(same)) !== 0)
    throw new PeerError('LOG_FORKED', 'The host has signed two histories: keep the proof, and mend nothing.', {
      proof: forkProofOf(theirs, same)
    })
  const known = theirs === undefined || same !== undefined ? own : [...own, theirs]
  const newest = known.toSorted((a, b) => b.number - a.number)[0]
  if (newest === undefined)
    throw new PeerError('MEND_NO_HEAD', 'Neither this log nor the peer that was asked has a signed head to mend by.')
  return { known, newest, ringIsWhole: ring.damagedSlots.size === 0 && ring.heads.get(newest.number) !== undefined }
}

/** Divides the log into what is sound and what is missing, up to the newest head at least. */
async function surveyLog(files: FileSystem, directory: string, size: number): Promise<Stretch[]> {
  const segments = await listSegments(files, directory)
  const stretches: Stretch[] = []
  let reached = 0
  for (const [index, { name, first }] of segments.entries()) {
    if (first > reached) stretches.push({ from: reached, to: first, isKept: false, reason: 'it is missing' })
    const next = segments[index + 1]?.first
    const end = await surveySegment(files, directory, { name, first })
    if (end.sequence > (next ?? end.sequence)) throw contradiction(first, 'two files hold the same entries')
    const isKept = end.reason === undefined
    if (end.sequence > first) stretches.push({ from: first, to: end.sequence, name, isKept })
    reached = next ?? Math.max(size, end.sequence)
    const reason = end.reason ?? 'the entries after it are missing'
    if (reached > end.sequence) stretches.push({ from: end.sequence, to: reached, isKept: false, reason })
    else if (!isKept) stretches.push({ from: reached, to: reached, isKept: false, reason })
  }
  if (reached < size)
    stretches.push({ from: reached, to: size, isKept: false, reason: 'the log ends before its newest head' })
  return stretches
}

/** How many of a file's records are sound, by what its own header says. */
async function surveySegment(
  files: FileSystem,
  directory: string,
  segment: { readonly name: string; readonly first: number }
): Promise<Pick<SegmentEnd, 'sequence' | 'reason'>> {
  try {
    await using walk = walkSegment(files, directory, segment)
    for (;;) {
      const step = await walk.next()
      if (step.done === true) return step.value
    }
  } catch (error) {
    if (!(error instanceof PeerError && error.code === 'LOG_DAMAGED')) throw error
    return { sequence: segment.first, reason: String(error.details.reason) }
  }
}

/** Of the records of a file that are sound. @throws {PeerError} `MEND_CONTRADICTS` when they do not continue the chain */
async function* payloadsOf(
  files: FileSystem,
  directory: string,
  segment: { readonly name: string; readonly first: number },
  chainBefore: Uint8Array
): AsyncGenerator<Uint8Array, void> {
  await using walk = walkSegment(files, directory, segment, chainBefore)
  for (let step = await walk.next(); step.done !== true; step = await walk.next())
    yield* step.value.map(({ payload }) => payload)
}

async function* entriesOf(
  source: MendOptions['source'],
  { from, to }: Stretch,
  signal: AbortSignal
): AsyncGenerator<Uint8Array, void> {
  for (let next = from; next < to; ) {
    const { entries, length } = await source.entries(next, signal, false)
    if (entries.length === 0)
      throw new PeerError('MEND_SOURCE_SHORT', `The peer that was asked has ${length} entries, and ${to} are needed.`, {
        length,
        needed: to
      })
    yield* entries.slice(0, to - next)
    next += entries.length
  }
}

/** The new files take their places, those that they replace other names. */
async function swapIn(
  files: FileSystem,
  directory: string,
  written: readonly string[],
  stretches: readonly Stretch[]
): Promise<void> {
  const sound = new Set(stretches.flatMap(({ name, isKept }) => (isKept && name !== undefined ? [name] : [])))
  for (const { name } of await listSegments(files, directory)) {
    if (!sound.has(name)) await files.rename(join(directory, name), join(directory, `${name}${DAMAGED_SUFFIX}`))
  }
  for (const name of written) await files.rename(join(directory, `${name}${UNFINISHED_SUFFIX}`), join(directory, name))
  await syncDirectory(files, directory)
}

function expectRoot(head: SignedLogHead, root: Uint8Array): void {
  if (Buffer.compare(root, head.root) !== 0)
    throw contradiction(head.size, `the first ${head.size} entries are not those of head ${head.number}`)
}

function contradiction(sequence: number, reason: string): PeerError<'MEND_CONTRADICTS'> {
  const message = `The log cannot be mended with what was given: ${reason}. Nothing was changed; ask another peer.`
  return new PeerError('MEND_CONTRADICTS', message, { sequence, reason })
}
