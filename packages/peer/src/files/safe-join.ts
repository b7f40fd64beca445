import { join } from 'node:path'
import { checkEntryName, isReservedOnWindows, quoteName } from '@holdfast/core'
import { PeerError } from '../error.ts'

/**
 * Joins names that somebody else chose to a directory of ours: the only way a foreign name reaches the disk.
 *
 * @throws {PeerError} `UNSAFE_NAME` for a name that could lead elsewhere, name a device or deceive a reader
 */
export function safeJoin(
  directory: string,
  names: readonly string[],
  platform: NodeJS.Platform = process.platform
): string {
  for (const name of names) {
    const reason = unsafeBecause(name, platform)
    if (reason === undefined) continue
    throw new PeerError('UNSAFE_NAME', `${quoteName(name)} is not safe as a file name (${reason})`, { name, reason })
  }
  return join(directory, ...names)
}

function unsafeBecause(name: string, platform: NodeJS.Platform): string | undefined {
  const verdict = checkEntryName(name)
  if (!verdict.ok) return verdict.reason
  return platform === 'win32' && isReservedOnWindows(name) ? 'windows-reserved' : undefined
}
