/**
 * Proofs that the host keeps two histories, as files: a peer that meets one writes it down before anything else, because it
 * stops for good then, and the proof is what its operator shows to everybody.
 *
 * A file is named by what it holds, so that one fork makes one file.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  CoreError,
  FORK_PROOF_SIZE_BYTES_MAX,
  type NetworkDescription,
  networkIdOf,
  portableSignatureVerifier,
  verifyForkProof
} from '@holdfast/core'
import { PeerError, systemCodeOf } from '../error.ts'
import { exists, type FileSystem, machineFileSystem, replaceFile } from '../storage/file-system.ts'

/** Most files that are looked at: one is enough, and whoever can write here can do worse. */
const PROOFS_MAX = 16

/** @returns the path of the file; durable, and readable by nobody else, when it resolves */
export async function keepForkProof(
  directory: string,
  proof: Uint8Array,
  files: FileSystem = machineFileSystem
): Promise<string> {
  await files.mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, `${createHash('sha256').update(proof).digest('hex').slice(0, 16)}.fork`)
  if (!(await exists(files, path))) await replaceFile(files, path, proof, 0o600)
  return path
}

/** Paths of the files in a directory that prove a fork of this network's ledger; none when there is no directory. */
export async function findForkProofs(
  directory: string,
  { parameters }: Pick<NetworkDescription, 'parameters'>,
  files: FileSystem = machineFileSystem
): Promise<string[]> {
  const authority = { networkId: networkIdOf(parameters), host: parameters.host, signatures: portableSignatureVerifier }
  const found: string[] = []
  for (const name of (await namesIn(directory, files)).filter(one => one.endsWith('.fork')).slice(0, PROOFS_MAX)) {
    const path = join(directory, name)
    if (verifyForkProof(await readBounded(path, files), authority).ok) found.push(path)
  }
  return found
}

async function namesIn(directory: string, files: FileSystem): Promise<string[]> {
  try {
    return (await files.readdir(directory)).sort()
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return []
    throw error
  }
}

async function readBounded(path: string, files: FileSystem): Promise<Uint8Array> {
  const handle = await files.open(path, 'r')
  try {
    const bytes = Buffer.alloc(FORK_PROOF_SIZE_BYTES_MAX + 1)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0)
    return bytes.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

export interface ForkKeeper extends AsyncDisposable {
  /** The same error, saying where its proof is kept when it comes with one. Never rejects. */
  keep(error: unknown): Promise<unknown>
}

/** @param onFork - told of each proof that is on the disk now */
export function createForkKeeper(options: {
  readonly directory: string
  readonly onFork: (file: string) => void
  readonly onError: (error: unknown) => void
}): ForkKeeper {
  const running = new Set<Promise<unknown>>()

  async function keep(error: unknown): Promise<unknown> {
    if (!(error instanceof CoreError || error instanceof PeerError)) return error
    const { proof } = error.details
    if (!(proof instanceof Uint8Array)) return error
    try {
      const file = await keepForkProof(options.directory, proof)
      options.onFork(file)
      const message = `${error.message} It is in ${file}: show it to others, who check it with \`holdfast ledger check-fork\`.`
      return new PeerError(error.code, message, { ...error.details, file }, { cause: error })
    } catch (cause) {
      options.onError(cause)
      return error
    }
  }

  return {
    keep(error) {
      const done = keep(error).finally(() => running.delete(done))
      running.add(done)
      return done
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(running)
    }
  }
}
