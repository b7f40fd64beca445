/**
 * Reads a network's ledger for somebody who asks about it: from the log of a data directory, or from the network itself.
 * Either way every entry is applied and checked here; nobody's word is taken for a balance.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import {
  type AppliedEntry,
  connectionTo,
  createFollower,
  createLedgerMachine,
  createNetworkSources,
  decodeEntry,
  type LedgerState,
  type LedgerTools,
  machineClock,
  type NetworkDescription
} from '@holdfast/core'
import { dataDirectoryPaths } from '../data-directory.ts'
import { PeerError } from '../error.ts'
import { readNetworkFile } from '../network-file.ts'
import { createNode } from '../node.ts'
import { chooseNodeHasher } from '../node-hasher.ts'
import { readSegmentLog } from './segment-log.ts'
import { wasmSignatureVerifier } from './wasm-signatures.ts'

/** A daemon that reads its own log for somebody goes on with its work as often: a long log takes minutes. */
const TURN_MS = 10

/** Where the ledger is read: exactly one of the two. */
export interface LedgerPlace {
  /** A data directory with a log of its own; the daemon on it may run. */
  readonly directory?: string | undefined
  /** The path of a network description: its host, or a follower of it, is asked. */
  readonly network?: string | undefined
}

export interface ReadLedgerOptions {
  /** Told of every entry in order, those of the past first. */
  readonly onEntry?: (applied: AppliedEntry, state: LedgerState) => void
  /** Goes on with new entries until the signal aborts. */
  readonly follow?: boolean
  readonly signal?: AbortSignal
  readonly onUnreachable?: (error: Error) => void
}

export interface ReadLedger {
  readonly network: NetworkDescription
  readonly state: LedgerState
}

/**
 * Resolves once all of the past is applied, or, when it follows, when the signal aborts.
 *
 * @throws {PeerError} `OPTION_INVALID`, `NETWORK_MISSING`, `LOG_EMPTY`, `LOG_INVALID`, `LOG_DAMAGED`
 */
export async function readLedger(place: LedgerPlace, options: ReadLedgerOptions = {}): Promise<ReadLedger> {
  const { directory, network: networkFile } = place
  if ((directory === undefined) === (networkFile === undefined)) {
    throw new PeerError(
      'OPTION_INVALID',
      'Say where the ledger is read: --directory with a data directory, or --network with a network.json.'
    )
  }
  const network = await readNetworkFile(networkFile ?? dataDirectoryPaths(directory!).networkFile)
  const tools = { signatures: wasmSignatureVerifier, nodeHasher: await chooseNodeHasher() }
  const hasLog = directory !== undefined && options.follow !== true
  const state = hasLog
    ? await readFromDisk(directory, network, tools, options)
    : await readFromNetwork(network, tools, options)
  return { network, state }
}

/** Reads a network's ledger from its host, or from followers of it, and resolves once all of the past is applied. */
export async function readLedgerOf(network: NetworkDescription, options: ReadLedgerOptions = {}): Promise<LedgerState> {
  const tools = { signatures: wasmSignatureVerifier, nodeHasher: await chooseNodeHasher() }
  return await readFromNetwork(network, tools, options)
}

/**
 * Reads the log of a data directory from its first entry to its last, whether or not its daemon runs.
 *
 * @throws {PeerError} `LOG_EMPTY`, `LOG_INVALID`, `LOG_DAMAGED`, `NETWORK_MISSING`
 */
export async function readOwnLog(directory: string, options: ReadLedgerOptions): Promise<void> {
  const network = await readNetworkFile(dataDirectoryPaths(directory).networkFile)
  const tools = { signatures: wasmSignatureVerifier, nodeHasher: await chooseNodeHasher() }
  await readFromDisk(directory, network, tools, options)
}

async function readFromDisk(
  directory: string,
  { parameters }: NetworkDescription,
  tools: LedgerTools,
  { onEntry, signal }: ReadLedgerOptions
): Promise<LedgerState> {
  const machine = createLedgerMachine(parameters, tools)
  const { ledgerDirectory } = dataDirectoryPaths(directory)
  let turnEndsMs = performance.now() + TURN_MS
  for await (const { sequence, payload } of readSegmentLog(ledgerDirectory)) {
    if (performance.now() > turnEndsMs) {
      await setImmediate()
      turnEndsMs = performance.now() + TURN_MS
    }
    signal?.throwIfAborted()
    const entry = decodeEntry(payload)
    const result = entry === undefined ? undefined : machine.applyEntry(entry)
    if (result?.ok !== true) {
      const reason = result === undefined ? 'it cannot be decoded' : result.refusal.message
      throw new PeerError('LOG_INVALID', `Entry ${sequence} breaks the rules of this network: ${reason}`, { sequence })
    }
    onEntry?.(result.applied, machine.state)
  }
  if (machine.state.sequence > 0) return machine.state
  throw new PeerError(
    'LOG_EMPTY',
    `There is no log in ${ledgerDirectory} yet: ask the network with --network ${dataDirectoryPaths(directory).networkFile}.`,
    { directory }
  )
}

async function readFromNetwork(
  network: NetworkDescription,
  tools: LedgerTools,
  { onEntry, follow = false, signal, onUnreachable }: ReadLedgerOptions
): Promise<LedgerState> {
  await using node = await createNode({ privateKey: new Uint8Array(randomBytes(32)), listen: [] })
  await node.start()
  let damage: Error | undefined
  await using follower = createFollower({
    parameters: network.parameters,
    source: createNetworkSources(connectionTo(network, node.libp2p), machineClock).any,
    tools,
    clock: machineClock,
    onDamage: error => {
      damage = error
      ended.resolve()
    },
    ...(onUnreachable !== undefined && { onUnreachable })
  })
  const ended = Promise.withResolvers<void>()
  if (onEntry !== undefined) follower.subscribe(applied => onEntry(applied, follower.state))
  await follower.start(signal)
  if (follow) {
    signal?.addEventListener('abort', () => ended.resolve(), { once: true })
    if (signal?.aborted !== true) await ended.promise
  }
  if (damage !== undefined) throw damage
  return follower.state
}
