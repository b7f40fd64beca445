/** An object packed on disk: its pieces wait in a directory of their own until every replica stands. */
import {
  type ContentSource,
  deriveObjectKeys,
  hashReplica,
  type ObjectToStore,
  type PackComponents,
  type PackedFacts,
  type PackObjectOptions,
  packObject,
  withReplicas
} from '@holdfast/core'
import { readTree } from '../files/index.ts'
import { fingerprintOf } from './source-fingerprint.ts'
import {
  createStagingDirectory,
  findStagingDirectory,
  type StagedJournal,
  type StagingDirectory,
  sweepStagingDirectories
} from './staging-directory.ts'

/** Whatever core takes, a path, or the path of a CAR. */
export type DiskSource = ContentSource | string | { readonly carFile: string }

export interface StageOptions extends PackObjectOptions {
  /** Says which entries of a path to leave out, '/'-separated and relative to it. */
  readonly ignore?: ((relativePath: string) => boolean) | undefined
  /** Where pieces wait; needs room for the whole object. */
  readonly stagingDirectory: string
}

/** Disposing of it removes its pieces, unless it was left. */
export interface StagedObject extends ObjectToStore, AsyncDisposable {
  /** Whether the pieces were there from a store that did not end. */
  readonly isResumed: boolean
  /** Keeps the pieces for a later store of the same source; a later `dispose` does nothing then. */
  leave(): Promise<void>
}

/**
 * Packs a source, or takes up the pieces that an earlier store of the same private content has left, encrypted under the
 * secret that they have: content that changed is another object with another one. A path that nobody has touched is known
 * before it is read; whatever else a source is, its content is known by its root, once it has been packed.
 *
 * @throws {PeerError} what `readTree` throws; `STAGING_FAILED`
 * @throws {CoreError} what `packObject` throws
 */
export async function stageObject(
  source: DiskSource,
  components: PackComponents,
  options: StageOptions
): Promise<StagedObject> {
  const { stagingDirectory: parent, ignore = () => false, ...wishes } = options
  await sweepStagingDirectories(parent, Date.now())
  const isResumable = typeof source === 'string' && wishes.encrypt !== false && wishes.secret === undefined
  const fingerprint = isResumable ? await fingerprintOf(source, ignore, wishes) : undefined
  const takeUp = (isWanted: (journal: StagedJournal) => boolean) => takeUpWhole(parent, components, isWanted)
  const found = fingerprint === undefined ? undefined : await takeUp(one => one.fingerprint === fingerprint)
  if (found !== undefined) return found
  const directory = await createStagingDirectory(parent, fingerprint)
  try {
    const object = await packObject(contentOf(source, ignore), directory, components, wishes)
    const isNew = object.reference !== undefined && wishes.secret === undefined
    const left = isNew ? await takeUp(one => isSameContent(one.object, object)) : undefined
    if (left !== undefined) {
      await directory[Symbol.asyncDispose]()
      return left
    }
    await directory.note(object)
    return staged(directory, object, false)
  } catch (error) {
    await directory[Symbol.asyncDispose]()
    throw error
  }
}

async function takeUpWhole(
  parent: string,
  components: PackComponents,
  isWanted: (journal: StagedJournal) => boolean
): Promise<StagedObject | undefined> {
  const found = await findStagingDirectory(parent, isWanted)
  if (found === undefined) return undefined
  if (await isWhole(found, components))
    return staged(found, withReplicas(found.journal.object!, found, components), true)
  await found[Symbol.asyncDispose]()
  return undefined
}

/** Whether two private objects are one content in the same pieces, under whatever secrets. */
function isSameContent(one: PackedFacts, other: PackedFacts): boolean {
  const sizesOf = ({ pieces }: PackedFacts) => pieces.map(({ rawSize }) => rawSize).join()
  return (
    one.reference?.layout === other.reference?.layout && one.root.equals(other.root) && sizesOf(one) === sizesOf(other)
  )
}

function staged(directory: StagingDirectory, object: ObjectToStore, isResumed: boolean): StagedObject {
  let isLeft = false
  return {
    ...object,
    isResumed,
    async leave() {
      isLeft = true
      await directory.leave()
    },
    async [Symbol.asyncDispose]() {
      if (!isLeft) await directory[Symbol.asyncDispose]()
    }
  }
}

function contentOf(source: DiskSource, ignore: (relativePath: string) => boolean): ContentSource {
  if (typeof source === 'string') return { entries: readTree(source, { ignore, reuseChunks: true }) }
  if (!('carFile' in source)) return source
  return { car: readFileOf(source.carFile) }
}

/** A file's bytes, held to what it was when it was found. */
async function* readFileOf(path: string): AsyncGenerator<Uint8Array> {
  for await (const entry of readTree(path)) if (entry.kind === 'file') yield* entry.content
}

/** Whether staged pieces are still what was staged: a crash of the machine, or a disk, may have lost some of it. */
async function isWhole({ journal, readPiece }: StagingDirectory, components: PackComponents): Promise<boolean> {
  const { reference, pieces } = journal.object!
  if (reference === undefined) return false
  const { secret, layout } = reference
  const layer = { ciphers: components.ciphers, repairKey: deriveObjectKeys(secret).repairKey, layout }
  try {
    for (const [piece, { cids }] of pieces.entries()) {
      const place = { replica: 0, piece }
      const { cid } = await hashReplica({ ...layer, place, inner: readPiece(piece, 0) }, components.nodeHasher)
      if (cids[0] === undefined || !cid.equals(cids[0])) return false
    }
    return true
  } catch {
    return false // a file is missing or cannot be read
  }
}
