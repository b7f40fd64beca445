import type { AppliedEntry, Ledger } from '@holdfast/core'
import { BEACON, PARAMETERS, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { VirtualClock } from '../../../core/test/virtual-clock.ts'
import { createLedgerHost, type LedgerHost, type LedgerHostOptions } from '../../src/ledger/host.ts'
import type { SegmentLogOptions } from '../../src/ledger/segment-log.ts'
import { openTestLog, type TestLog } from './open-test-log.ts'

export interface TestHost extends TestLog {
  readonly host: LedgerHost
  readonly clock: VirtualClock
  readonly failures: unknown[]
}

/** A host of the fixture's network on a log under a directory, not yet started; closing it leaves the log on disk. */
export async function openTestHost(
  path: string,
  { log: logOptions, ...options }: Partial<Omit<LedgerHostOptions, 'log'>> & { log?: Partial<SegmentLogOptions> } = {}
): Promise<TestHost> {
  const opened = await openTestLog(path, logOptions)
  const clock = new VirtualClock(PARAMETERS.genesisMs - 1000)
  const failures: unknown[] = []
  const host = createLedgerHost({
    log: opened.log,
    parameters: PARAMETERS,
    tools: TOOLS,
    beacon: BEACON,
    clock,
    onFailure: error => failures.push(error),
    ...options
  })
  const close = async () => {
    await host.stop()
    await opened[Symbol.asyncDispose]()
  }
  return { ...opened, host, clock, failures, [Symbol.asyncDispose]: close }
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
