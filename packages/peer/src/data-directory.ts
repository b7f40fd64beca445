/**
 * One peer's directory on disk: its lock, its version, and where everything in it stands.
 *
 * ```
 * version        "holdfast data directory 1"
 * key            the private key, 0600
 * config.toml    what the operator wants
 * network.json   the network description
 * pieces/        one file a piece
 * index/         Level: where pieces and blocks are; rebuilt from the pieces
 * reserve        room that is given up when the disk is full, so that ledger and index go on
 * deny           content that this peer stores and serves for nobody, one CID a line
 * ledger/        segments of the log
 * transcripts/   what this verifier attested by, and whom it asked in vain, one file each a round
 * forks/         proofs that the ledger's host keeps two histories, one file each
 * observations   what this verifier saw of providers by itself, one line each
 * api.json       where the local API listens while the daemon runs
 * api-token      what opens the local API, 0600
 * state/         Level: indexes and snapshots, all of which can be rebuilt; its lock is the directory's lock
 * ```
 *
 * LevelDB's lock works between processes and is gone when its holder is killed, so no lock file can be left over.
 */
import { join } from 'node:path'
import { Level } from 'level'
import { PeerError, systemCodeOf } from './error.ts'
import { type FileSystem, machineFileSystem, replaceFile } from './storage/file-system.ts'

export const DATA_DIRECTORY_VERSION = 1

const VERSION_LINE = /^holdfast data directory (\d+)\n?$/

/** Where things stand in a data directory; a pure function of its path, for programs that do not hold the lock. */
export interface DataDirectoryPaths {
  readonly path: string
  readonly versionFile: string
  readonly keyFile: string
  readonly configFile: string
  readonly networkFile: string
  readonly piecesDirectory: string
  readonly indexDirectory: string
  readonly reserveFile: string
  readonly denyFile: string
  readonly ledgerDirectory: string
  readonly transcriptsDirectory: string
  readonly forksDirectory: string
  readonly observationsFile: string
  readonly stateDirectory: string
  readonly apiFile: string
  readonly apiTokenFile: string
}

/** A data directory that this process holds the lock of. Closing it releases the lock. */
export interface DataDirectory extends DataDirectoryPaths, AsyncDisposable {
  /** Take a sublevel of it for each index. */
  readonly state: Level<string, string>
  close(): Promise<void>
}

export function dataDirectoryPaths(path: string): DataDirectoryPaths {
  return {
    path,
    versionFile: join(path, 'version'),
    keyFile: join(path, 'key'),
    configFile: join(path, 'config.toml'),
    networkFile: join(path, 'network.json'),
    piecesDirectory: join(path, 'pieces'),
    indexDirectory: join(path, 'index'),
    reserveFile: join(path, 'reserve'),
    denyFile: join(path, 'deny'),
    ledgerDirectory: join(path, 'ledger'),
    transcriptsDirectory: join(path, 'transcripts'),
    forksDirectory: join(path, 'forks'),
    observationsFile: join(path, 'observations'),
    stateDirectory: join(path, 'state'),
    apiFile: join(path, 'api.json'),
    apiTokenFile: join(path, 'api-token')
  }
}

/**
 * Creates the directory (mode 0700) when it is missing, and locks it until it is closed or the process ends.
 *
 * Does not create the key, the config or the network description.
 *
 * @throws {PeerError} `DIRECTORY_LOCKED` when another daemon runs on it, `DIRECTORY_TOO_NEW`, `DIRECTORY_FOREIGN` when it
 * holds somebody else's files, `DIRECTORY_UNUSABLE`, `STATE_DAMAGED`
 */
export async function openDataDirectory(path: string, files: FileSystem = machineFileSystem): Promise<DataDirectory> {
  const paths = dataDirectoryPaths(path)
  await createDirectory(files, path)
  const version = await readVersion(files, paths)
  if (version === undefined) await refuseForeign(files, paths)
  const state = await openState(paths)
  try {
    if (version === undefined) {
      await replaceFile(files, paths.versionFile, Buffer.from(`holdfast data directory ${DATA_DIRECTORY_VERSION}\n`))
    }
    await files.mkdir(paths.piecesDirectory, { recursive: true, mode: 0o700 })
    await files.mkdir(paths.ledgerDirectory, { recursive: true, mode: 0o700 })
  } catch (error) {
    await state.close()
    throw error
  }
  const close = () => state.close()
  return { ...paths, state, close, [Symbol.asyncDispose]: close }
}

async function createDirectory(files: FileSystem, path: string): Promise<void> {
  try {
    await files.mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const message = `The data directory ${path} cannot be created (${systemCodeOf(cause)}): choose another with --directory.`
    throw new PeerError('DIRECTORY_UNUSABLE', message, { path }, { cause })
  }
}

/** @returns the version that wrote the directory, undefined when none did */
async function readVersion(files: FileSystem, { path, versionFile }: DataDirectoryPaths): Promise<number | undefined> {
  let text: string
  try {
    const handle = await files.open(versionFile, 'r')
    text = await handle.readFile('utf8').finally(() => handle.close())
  } catch (cause) {
    if (systemCodeOf(cause) === 'ENOENT') return undefined
    const message = `${versionFile} cannot be read (${systemCodeOf(cause)}): see who owns ${path}.`
    throw new PeerError('DIRECTORY_UNUSABLE', message, { path }, { cause })
  }
  const version = Number(VERSION_LINE.exec(text)?.[1])
  if (version === DATA_DIRECTORY_VERSION) return version
  if (!(version > DATA_DIRECTORY_VERSION)) {
    const message = `${versionFile} is not a version file of Holdfast: choose another directory with --directory.`
    throw new PeerError('DIRECTORY_FOREIGN', message, { path })
  }
  const message = `${path} was written by a newer Holdfast (directory version ${version}, this program knows ${DATA_DIRECTORY_VERSION}): start that one.`
  throw new PeerError('DIRECTORY_TOO_NEW', message, { path, version })
}

/** A typing error such as `--directory ~` must not scatter a peer's files among somebody's documents. */
async function refuseForeign(files: FileSystem, paths: DataDirectoryPaths): Promise<void> {
  const { path, ...known } = paths
  const ours = new Set<string>(Object.values(known))
  const names = await files.readdir(path)
  const foreign = names.filter(name => !ours.has(join(path, name)) && !name.endsWith('.new'))
  if (foreign.length === 0) return
  const message = `${path} holds other files (${foreign.slice(0, 3).join(', ')}): choose an empty directory with --directory.`
  throw new PeerError('DIRECTORY_FOREIGN', message, { path, names: foreign })
}

async function openState({ path, stateDirectory }: DataDirectoryPaths): Promise<Level<string, string>> {
  const state = new Level<string, string>(stateDirectory)
  try {
    await state.open()
    return state
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    if (systemCodeOf(cause) === 'LEVEL_LOCKED') {
      const message = `Another Holdfast daemon is running on ${path}: stop it first, or give this one another --directory.`
      throw new PeerError('DIRECTORY_LOCKED', message, { path }, { cause })
    }
    const message = `${stateDirectory} cannot be opened: see that the disk has room and is yours to write; if it is damaged, delete that folder, it is rebuilt from the log and the pieces.`
    throw new PeerError('STATE_DAMAGED', message, { path: stateDirectory }, { cause })
  }
}
