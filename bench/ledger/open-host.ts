/** A ledger host as a peer runs it, on a real disk, without the streams around it. */
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Clock, machineClock } from '@holdfast/core'
import {
  chooseNodeHasher,
  createLedgerHost,
  createSignaturePool,
  type LedgerFiles,
  type LedgerHost,
  openLedgerFiles,
  wasmSignatureVerifier
} from '@holdfast/peer'
import type { BenchNetwork } from './bench-network.ts'

const requireOfPeer = createRequire(new URL('../../packages/peer/package.json', import.meta.url))
const { Level } = requireOfPeer('level') as typeof import('level')

/** The files of a ledger in a folder, opened as a host does. */
export async function openBenchFiles(life: AsyncDisposableStack, folder: string): Promise<LedgerFiles> {
  await mkdir(folder, { recursive: true })
  const state = new Level<string, string>(join(folder, 'state'))
  life.defer(() => state.close())
  const files = await openLedgerFiles({
    directory: join(folder, 'ledger'),
    index: state.sublevel('ledger'),
    snapshots: state.sublevel<string, Uint8Array>('snapshots', { valueEncoding: 'view' }),
    owner: 'host'
  })
  return life.use(files)
}

export interface BenchHost extends AsyncDisposable {
  readonly host: LedgerHost
  /** How long `start` took. */
  readonly startSeconds: number
}

/** Opens a folder and starts a host on it; whatever fails later ends this process. */
export async function openBenchHost(
  network: BenchNetwork,
  folder: string,
  clock: Clock = machineClock
): Promise<BenchHost> {
  await using opening = new AsyncDisposableStack()
  const files = await openBenchFiles(opening, folder)
  const host = createLedgerHost({
    files,
    parameters: network.parameters,
    tools: { signatures: wasmSignatureVerifier, nodeHasher: await chooseNodeHasher() },
    signatures: opening.use(createSignaturePool()),
    beacon: network.beacon,
    clock,
    signer: network.host,
    onFailure: error => {
      throw error
    }
  })
  opening.use(host)
  const before = performance.now()
  await host.start()
  const startSeconds = (performance.now() - before) / 1000
  const life = opening.move()
  return { host, startSeconds, [Symbol.asyncDispose]: () => life.disposeAsync() }
}
