/** What a devnet shows: JSON events for scripts, or a story that a newcomer can follow. Reports; decides nothing. */
import type { LedgerEvent, LedgerState, PackProgress, StoreQuote } from '@holdfast/core'
import type { CID } from 'multiformats/cid'
import type { ProgressBars } from '../cli/progress-bars.ts'
import type { StagedObject } from '../client.ts'
import { createJsonScreen } from './json-screen.ts'
import { createTextScreen } from './text-screen.ts'

export type ClosedRound = Extract<LedgerEvent, { kind: 'roundClosed' }>

export interface PackReport extends Disposable {
  readonly report: (progress: PackProgress) => void
}

export interface DoneFacts {
  readonly rootCid: CID
  readonly replicas: number
  readonly rounds: number
  readonly faults: number
  readonly bytesEqual: true
  readonly conserved: true
  readonly stateHash: string
  /** Highest resident memory of each process, MiB; empty where the system does not say. */
  readonly peakRssMiB: Readonly<Record<string, number>>
}

export interface Screen {
  heading(text: string): void
  process(name: string, role: string, pid: number): void
  /** Names that stand for addresses from now on. */
  namePeers(peers: readonly { readonly name: string; readonly address: string }[]): void
  packing(path: string): PackReport
  packed(path: string, object: StagedObject, quote: StoreQuote): void
  storing(): ProgressBars
  round(closed: ClosedRound, state: LedgerState): void
  killing(name: string, pid: number, how: string): void
  restarted(name: string, pid: number): void
  recovered(name: string, collateralBefore: bigint, collateral: bigint, state: LedgerState): void
  readBack(files: number, bytes: number, without: string): void
  replayed(entries: number, stateHash: string, sum: bigint, supply: bigint): void
  done(facts: DoneFacts): void
  stayingUp(): void
}

export function createScreen(json: boolean): Screen {
  return json ? createJsonScreen() : createTextScreen()
}
