import type { AppliedEntry, Ledger } from '@holdfast/core'
import { BEACON, HOST, PARAMETERS, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { VirtualClock } from '../../../core/test/virtual-clock.ts'
import { createLedgerHost, type LedgerHost, type LedgerHostOptions } from '../../src/ledger/host.ts'
import type { LedgerFilesOptions } from '../../src/ledger/ledger-files.ts'
import type { SnapshotEvent } from '../../src/ledger/snapshot-keeper.ts'
import { openTestFiles, type TestFiles } from './open-test-files.ts'

export interface TestHost extends TestFiles, AsyncDisposable {
  readonly host: LedgerHost
  readonly clock: VirtualClock
  readonly failures: unknown[]
  readonly snapshotEvents: SnapshotEvent[]
}

/** A host of the fixture's network on files under a directory, not yet started; closing it leaves them on disk. */
export async function openTestHost(
  path: string,
  {
    log: fileOptions,
    ...options
  }: Partial<Omit<LedgerHostOptions, 'files'>> & { log?: Partial<LedgerFilesOptions> } = {}
): Promise<TestHost> {
  const opened = await openTestFiles(path, fileOptions)
  const clock = new VirtualClock(PARAMETERS.genesisMs - 1000)
  const failures: unknown[] = []
  const snapshotEvents: SnapshotEvent[] = []
  const host = createLedgerHost({
    files: opened.files,
    parameters: PARAMETERS,
    tools: TOOLS,
    beacon: BEACON,
    clock,
    signer: HOST,
    onSnapshot: event => snapshotEvents.push(event),
    onFailure: error => failures.push(error),
    ...options
  })
  const close = async () => {
    try {
      await host.stop()
    } finally {
      await opened[Symbol.asyncDispose]()
    }
  }
  return { ...opened, host, clock, failures, snapshotEvents, [Symbol.asyncDispose]: close }
}

/** Resolves with the next entry of a ledger that passes. */
export function nextEntry(
  ledger: Pick<Ledger, 'subscribe'>,
  passes: (applied: AppliedEntry) => boolean
): Promise<AppliedEntry> {
  return new Promise(resolve => {
    const end = ledger.subscribe(applied => {
      if (!passes(applied)) return
      end()
      resolve(applied)
    })
  })
}
