/**
 * The peer's one private key on disk: 64 hex digits and a line end, mode 0600.
 *
 * Whoever reads it is the peer: signs its deals and spends its credits. So it is created exclusively, and a file that
 * others can read is refused instead of mended: the key may be known already. Nothing here ever prints the key.
 */
import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { generateKeyPair, privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { PrivateKey, Secp256k1PrivateKey } from '@libp2p/interface'
import { PeerError, systemCodeOf } from './error.ts'
import { exists, type FileSystem, machineFileSystem, syncDirectory } from './storage/file-system.ts'

const OTHERS_MODE_BITS = 0o077
/** A key file is 65 bytes; anything much longer is another file, and is not read whole. */
const KEY_FILE_SIZE_BYTES_MAX = 256

/**
 * Loads the key, or creates it where there is none. A file that exists is never written.
 *
 * @throws {PeerError} as {@link loadKey}
 */
export async function loadOrCreateKey(
  path: string,
  files: FileSystem = machineFileSystem
): Promise<Secp256k1PrivateKey> {
  try {
    return await loadKey(path, files)
  } catch (error) {
    if (systemCodeOf(error) !== 'KEY_FILE_MISSING') throw error
  }
  const key = await generateKeyPair('secp256k1')
  await createKeyFile(path, key.raw, files)
  return await loadKey(path, files)
}

/**
 * Makes a key where there is none.
 *
 * @throws {PeerError} `KEY_FILE_EXISTS`, and as {@link loadKey}
 */
export async function createKey(path: string, files: FileSystem = machineFileSystem): Promise<Secp256k1PrivateKey> {
  return await placeKey(path, (await generateKeyPair('secp256k1')).raw, files)
}

/**
 * Writes a key that was kept elsewhere to where there is none.
 *
 * @param digits - 64 hex digits
 * @throws {PeerError} `KEY_FILE_EXISTS`, `KEY_FILE_INVALID` when the digits are no key
 */
export async function restoreKey(
  path: string,
  digits: string,
  files: FileSystem = machineFileSystem
): Promise<Secp256k1PrivateKey> {
  const key = /^[0-9a-f]{64}$/i.test(digits) ? parseKey(digits) : undefined
  if (key?.type === 'secp256k1') return await placeKey(path, key.raw, files)
  throw new PeerError('KEY_FILE_INVALID', 'This is not a private key (64 hex digits).')
}

async function placeKey(path: string, raw: Uint8Array, files: FileSystem): Promise<Secp256k1PrivateKey> {
  if (await exists(files, path)) {
    throw new PeerError(
      'KEY_FILE_EXISTS',
      `${path} holds a key already, and it is not overwritten: move it away first.`,
      { path }
    )
  }
  await createKeyFile(path, raw, files)
  const key = await loadKey(path, files)
  if (Buffer.from(key.raw).equals(raw)) return key
  throw new PeerError('KEY_FILE_EXISTS', `${path} was made by another process at the same moment.`, { path })
}

/**
 * Reads the key of a peer: `raw` signs for its account, the whole is its libp2p identity.
 *
 * @throws {PeerError} `KEY_FILE_MISSING`, `KEY_FILE_EXPOSED` when group or others have any right to it,
 * `KEY_FILE_INVALID`, `KEY_FILE_UNREADABLE`
 */
export async function loadKey(path: string, files: FileSystem = machineFileSystem): Promise<Secp256k1PrivateKey> {
  const text = await readKeyFile(path, files)
  const digits = /^([0-9a-f]{64})\r?\n?$/i.exec(text)?.[1]
  const key = digits === undefined ? undefined : parseKey(digits)
  if (key?.type === 'secp256k1') return key
  const message = `${path} does not hold a private key (64 hex digits): bring the file back from a backup; a new key is another peer.`
  throw new PeerError('KEY_FILE_INVALID', message, { path })
}

async function readKeyFile(path: string, files: FileSystem): Promise<string> {
  try {
    const handle = await files.open(path, 'r')
    try {
      const { mode, size } = await handle.stat()
      // Windows has no such bits: there a file is as private as the user's profile that holds it.
      if (process.platform !== 'win32' && (mode & OTHERS_MODE_BITS) !== 0) throw exposed(path, mode)
      return size > KEY_FILE_SIZE_BYTES_MAX ? '' : await handle.readFile('latin1')
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (cause instanceof PeerError) throw cause
    const code = systemCodeOf(cause)
    if (code === 'ENOENT') throw new PeerError('KEY_FILE_MISSING', `There is no key at ${path}.`, { path }, { cause })
    throw new PeerError(
      'KEY_FILE_UNREADABLE',
      `${path} cannot be read (${code}): see who owns it.`,
      { path },
      { cause }
    )
  }
}

function exposed(path: string, mode: number): PeerError {
  const rights = (mode & 0o777).toString(8)
  const message =
    `${path} can be read or changed by other users of this machine (mode ${rights}). If nobody else ever had access, ` +
    `run \`chmod 600 ${path}\`; otherwise move the credits to a new key.`
  return new PeerError('KEY_FILE_EXPOSED', message, { path, mode: rights })
}

function parseKey(digits: string): PrivateKey | undefined {
  try {
    return privateKeyFromRaw(Buffer.from(digits, 'hex'))
  } catch {
    return undefined // zero, or not below the order of the curve
  }
}

/** Links a finished, synced file to the name: two starts cannot both win, and a crash leaves a whole key or none. */
async function createKeyFile(path: string, raw: Uint8Array, files: FileSystem): Promise<void> {
  const temporary = `${path}.${randomUUID()}.new`
  const handle = await files.open(temporary, 'wx', 0o600)
  try {
    try {
      await handle.writeFile(`${Buffer.from(raw).toString('hex')}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await files.link(temporary, path).catch((error: unknown) => {
      if (systemCodeOf(error) !== 'EEXIST') throw error
    })
  } finally {
    await files.unlink(temporary)
  }
  await syncDirectory(files, dirname(path))
}
