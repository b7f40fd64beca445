import { join } from 'node:path'
import { Level } from 'level'
import { type LedgerFiles, type LedgerFilesOptions, openLedgerFiles } from '../../src/ledger/ledger-files.ts'
import type { SegmentLogEvent } from '../../src/ledger/segment-log.ts'

export interface TestFiles {
  readonly files: LedgerFiles
  readonly level: Level<string, string>
  readonly events: SegmentLogEvent[]
  /** Where the segments stand. */
  readonly directory: string
}

/** A ledger's files under a directory, its index and snapshots in one database; closing leaves all of it on disk. */
export async function openTestFiles(
  path: string,
  options: Partial<LedgerFilesOptions> = {}
): Promise<TestFiles & AsyncDisposable> {
  const directory = join(path, 'ledger')
  const level = new Level<string, string>(join(path, 'state'))
  const events: SegmentLogEvent[] = []
  try {
    const files = await openLedgerFiles({
      directory,
      index: level.sublevel('ledger'),
      snapshots: level.sublevel<string, Uint8Array>('snapshots', { valueEncoding: 'view' }),
      owner: 'host',
      onEvent: event => events.push(event),
      ...options
    })
    const close = async () => {
      try {
        await files[Symbol.asyncDispose]()
      } finally {
        await level.close()
      }
    }
    return { files, level, events, directory, [Symbol.asyncDispose]: close }
  } catch (error) {
    await level.close()
    throw error
  }
}
