import { join } from 'node:path'
import { checkEntryName, quoteName } from '@holdfast/core'
import { PeerError } from '../error.ts'

/**
 * Joins names that somebody else chose to a directory of ours: the only way a foreign name reaches the disk.
 *
 * @throws {PeerError} `UNSAFE_NAME` for a name that could lead elsewhere, name a device or deceive a reader
 */
export function safeJoin(directory: string, names: readonly string[]): string {
  for (const name of names) {
    const verdict = checkEntryName(name)
    if (verdict.ok) continue
    throw new PeerError('UNSAFE_NAME', `${quoteName(name)} is not safe as a file name (${verdict.reason})`, {
      name,
      reason: verdict.reason
    })
  }
  return join(directory, ...names)
}
