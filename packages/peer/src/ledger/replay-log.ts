/** Replays a log from disk, beside a running host or without one: what anyone does who does not believe a balance. */
import {
  checkInvariants,
  checkStep,
  createLedgerMachine,
  decodeEntry,
  hashState,
  type LedgerState,
  type LedgerTools,
  lookAt,
  type NetworkParameters,
  sumOfCredits
} from '@holdfast/core'
import { PeerError } from '../error.ts'
import { readSegmentLog } from './segment-log.ts'
import { checkHeads } from './verify-heads.ts'

export interface ReplayedLog {
  readonly entries: number
  readonly state: LedgerState
  readonly stateHash: string
  /** Signed heads that the log was checked against, and the newest; none where there is no file of them. */
  readonly heads: number
  readonly head: { readonly number: number; readonly size: number } | undefined
  /** The genesis supply and the sum of every balance now, in atto: equal when credits are conserved. */
  readonly supply: bigint
  readonly sum: bigint
  /** Invariants that did not hold, with the entry after which they first did not. */
  readonly violations: readonly { readonly sequence: number; readonly invariant: string; readonly violation: string }[]
}

/**
 * Reads no index and takes no lock. Checks every record's CRC and chain, every signature, beacon and proof, every head's
 * signature, chain and root, and every invariant after each entry that closes a round and after the last.
 *
 * @throws {PeerError} `LOG_INVALID` for an entry that breaks the rules, `LOG_DAMAGED` for bytes that are not what was
 * written or are gone, `HEADS_INVALID`, `LOG_CONTRADICTS_HEAD`, `LOG_EMPTY` where there is no log
 */
export async function replayLog(
  directory: string,
  parameters: NetworkParameters,
  tools: LedgerTools
): Promise<ReplayedLog> {
  const machine = createLedgerMachine(parameters, tools)
  const heads = await checkHeads(directory, parameters, tools)
  const violations: { sequence: number; invariant: string; violation: string }[] = []
  let before = lookAt(machine.state)
  const check = (sequence: number) => {
    for (const found of [...checkInvariants(machine.state), ...checkStep(before, machine.state)]) {
      if (!violations.some(({ invariant }) => invariant === found.invariant)) violations.push({ sequence, ...found })
    }
    before = lookAt(machine.state)
  }
  for await (const { sequence, payload } of readSegmentLog(directory)) {
    const entry = decodeEntry(payload)
    const result = entry === undefined ? undefined : machine.applyEntry(entry)
    if (result?.ok !== true) {
      const reason = result === undefined ? 'it cannot be decoded' : result.refusal.message
      throw new PeerError('LOG_INVALID', `Entry ${sequence} breaks the rules of this network: ${reason}`, { sequence })
    }
    heads.take(payload)
    if (result.applied.events.some(({ kind }) => kind === 'roundClosed')) check(sequence)
  }
  if (machine.state.sequence === 0)
    throw new PeerError(
      'LOG_EMPTY',
      `There are no entries in ${directory}: give the data directory of a ledger host.`,
      {
        directory
      }
    )
  heads.end()
  check(machine.state.sequence - 1)
  const { newest } = heads
  return {
    entries: machine.state.sequence,
    state: machine.state,
    stateHash: hashState(machine.state),
    heads: heads.count,
    head: newest && { number: newest.number, size: newest.size },
    supply: parameters.accounts.reduce((sum, { amount }) => sum + amount, 0n),
    sum: sumOfCredits(machine.state),
    violations
  }
}
