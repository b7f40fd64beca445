import { join } from 'node:path'
import { hashState } from '@holdfast/core'
import { expect } from 'vitest'
import { PARAMETERS, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { replayLog } from '../../src/ledger/replay-log.ts'
import { wasmSignatureVerifier } from '../../src/ledger/wasm-signatures.ts'
import { openTestHost } from './open-test-host.ts'

export const FAST_TOOLS = { ...TOOLS, signatures: wasmSignatureVerifier }

/**
 * Starts a host on what a crash left: everything that was acknowledged is there, and the state is that of a full replay,
 * also when it came from a snapshot.
 *
 * @param acknowledged - the highest sequence that was; -1 for none
 * @returns entries of the log
 */
export async function expectIntact(path: string, acknowledged: number): Promise<number> {
  await using opened = await openTestHost(path, { tools: FAST_TOOLS })
  expect(opened.files.log.length).toBeGreaterThan(acknowledged)
  await opened.host.start()
  expect(opened.failures).toEqual([])
  const replayed = await replayLog(join(path, 'ledger'), PARAMETERS, FAST_TOOLS)
  expect(hashState(opened.host.state)).toBe(replayed.stateHash)
  expect(replayed.violations).toEqual([])
  return opened.host.length
}
