import type { AppliedEntry, Ledger } from '@holdfast/core'
import {
  BEACON,
  CLIENT,
  HOST,
  PARAMETERS,
  PROVIDER,
  TestNetwork,
  TOOLS
} from '../../../core/test/ledger/network-fixture.ts'
import { VirtualClock } from '../../../core/test/virtual-clock.ts'
import { createLedgerHost, type LedgerHost, type LedgerHostOptions } from '../../src/ledger/host.ts'
import type { LedgerFilesOptions } from '../../src/ledger/ledger-files.ts'
import type { SnapshotEvent } from '../../src/ledger/snapshot-keeper.ts'
import { openTestFiles, type TestFiles } from './open-test-files.ts'

const network = new TestNetwork()

export interface TestHost extends TestFiles, AsyncDisposable {
  readonly host: LedgerHost
  readonly clock: VirtualClock
  readonly failures: unknown[]
  readonly snapshotEvents: SnapshotEvent[]
  /** Pays one atto after the other from this nonce on until so many snapshots are written. @returns the next nonce */
  payUntilSnapshots(count: number, nonce: number): Promise<number>
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
  const listeners: (() => void)[] = []
  const host = createLedgerHost({
    files: opened.files,
    parameters: PARAMETERS,
    tools: TOOLS,
    beacon: BEACON,
    clock,
    signer: HOST,
    onSnapshot: event => {
      snapshotEvents.push(event)
      for (const hear of listeners.splice(0)) hear()
    },
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
  /** Entries that make one snapshot due, and as many that come while a thread makes it: how many does not hang on load. */
  async function payUntilSnapshots(count: number, nonce: number): Promise<number> {
    let next = nonce
    for (;;) {
      const heard = new Promise<void>(resolve => listeners.push(resolve))
      for (const end = next + 2 * (options.snapshotEntries ?? 0); next < end; next += 1)
        await host.submit(network.transfer(CLIENT, PROVIDER, 1n, next))
      await heard
      if (snapshotEvents.filter(({ type }) => type === 'snapshot-written').length >= count) return next
    }
  }
  return { ...opened, host, clock, failures, snapshotEvents, payUntilSnapshots, [Symbol.asyncDispose]: close }
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
