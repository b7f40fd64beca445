/** A host closes a round with many deals while it takes transfers at a steady rate. */
import {
  beaconRoundOf,
  createLedgerMachine,
  createLogTree,
  decodeEntry,
  decodeState,
  type EntryBody,
  encodeState,
  hashState,
  headAfter,
  type LedgerState,
  type LedgerTools,
  roundOpensMs,
  signHead,
  verifyBeaconSignature
} from '@holdfast/core'
import { chooseNodeHasher, type LedgerHost, wasmSignatureVerifier } from '@holdfast/peer'
import type { Task } from '../data/measured-process.ts'
import { createBenchClock } from './bench-clock.ts'
import { type BenchNetwork, createBenchNetwork, type NetworkOptions, transferAt } from './bench-network.ts'
import { answererOf, encodeSubmit, quantilesOf } from './drive-commands.ts'
import { attestationsOf, createManyDeals, type ManyDeals } from './many-deals.ts'
import { openBenchFiles, openBenchHost } from './open-host.ts'
import { signatureAt, signTransfers } from './sign-transfers.ts'

export interface RoundClosing {
  /** From the time of the next round until every deal is settled. */
  readonly seconds: number
  readonly cpuSeconds: number
  /** Of transfers before the close, and during it. */
  readonly p99BeforeMs: number
  readonly p99DuringMs: number
  readonly transfersDuring: number
}

export interface Preparation {
  readonly network: NetworkOptions
  readonly folder: string
  readonly deals: number
  readonly transfersPerSecond: number
  readonly transfers: number
  readonly calmMs: number
}

/** The ledger is written by one process and closed in another, whose memory is then a host's alone. */
export const roundClose: Task = async () => {
  const tools = { signatures: wasmSignatureVerifier, nodeHasher: await chooseNodeHasher() }
  return {
    async write({ network: options, folder, deals }: Preparation) {
      const network = createBenchNetwork(options)
      await writeLedger(network, folder, await createManyDeals(network, deals, tools))
    },
    async run(preparation: Preparation): Promise<RoundClosing> {
      const network = createBenchNetwork(preparation.network)
      const signatures = await signTransfers(preparation.network, 0, preparation.transfers)
      const requests = Array.from({ length: preparation.transfers }, (_, index) =>
        encodeSubmit(network, transferAt(network, index, signatureAt(signatures, index)))
      )
      return await closeRound(network, preparation, requests)
    },
    longestApply: ({ network, folder }: Preparation) => longestApply(createBenchNetwork(network), folder, tools)
  }
}

/** A log, a head and a snapshot of a ledger that was put together: a host starts from the snapshot. */
async function writeLedger(network: BenchNetwork, folder: string, { machine, payloads }: ManyDeals): Promise<void> {
  await using life = new AsyncDisposableStack()
  const { log, heads, snapshots } = await openBenchFiles(life, folder)
  const tree = createLogTree()
  for (const payload of payloads) tree.append(payload)
  await log.append(payloads)
  const { networkId } = network
  const { timeMs } = machine.state
  await heads.write(
    signHead(headAfter(undefined, { networkId, size: tree.size, root: tree.root(), timeMs }), network.host)
  )
  const facts = { stateHash: hashState(machine.state), chainHash: log.tipHash, tree: tree.save() }
  await snapshots.write(payloads.length, encodeState(machine.state), () => facts)
}

async function closeRound(
  network: BenchNetwork,
  { folder, transfersPerSecond, calmMs }: Preparation,
  requests: readonly Uint8Array[]
): Promise<RoundClosing> {
  const clock = createBenchClock(roundOpensMs(network.parameters, 2) + 1_000)
  await using opened = await openBenchHost(network, folder, clock)
  const { host } = opened
  const answer = answererOf(network, host)
  for (const { command } of attestationsOf(network, host.state)) await answer(encodeSubmit(network, command))
  const steady = startSteady(requests, transfersPerSecond, answer)
  await new Promise(resolve => setTimeout(resolve, calmMs))
  const before = steady.take()
  const settled = allSettled(host)
  const cpuBefore = process.cpuUsage()
  const beganMs = performance.now()
  clock.moveTo(roundOpensMs(network.parameters, 3))
  await settled
  const seconds = (performance.now() - beganMs) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  await steady.stop()
  const during = steady.take()
  return {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    p99BeforeMs: quantilesOf(before).p99,
    p99DuringMs: quantilesOf(during).p99,
    transfersDuring: during.length
  }
}

/** Resolves when the next round is open and every deal of the one before is settled. */
function allSettled({ state, subscribe }: LedgerHost): Promise<void> {
  const { round } = state as LedgerState
  return new Promise(resolve => {
    const end = subscribe(() => {
      if (state.round === round || state.closing !== undefined) return
      end()
      resolve()
    })
  })
}

/** Asks at a fixed rate, whether answers come or not; a request's time begins when it should have been sent. */
function startSteady(
  requests: readonly Uint8Array[],
  perSecond: number,
  answer: (one: Uint8Array) => Promise<unknown>
) {
  const began = performance.now()
  const waiting = new Set<Promise<void>>()
  let latencies: number[] = []
  let sent = 0
  const send = async (request: Uint8Array, dueMs: number) => {
    await answer(request)
    latencies.push(performance.now() - dueMs)
  }
  const sendDue = () => {
    for (; sent < requests.length; sent += 1) {
      const dueMs = began + (sent * 1000) / perSecond
      if (dueMs > performance.now()) return
      const asked = send(requests[sent]!, dueMs).finally(() => waiting.delete(asked))
      waiting.add(asked)
    }
  }
  const timer = setInterval(sendDue, 1)
  return {
    /** Of those that were answered since it was called last. */
    take() {
      const taken = latencies
      latencies = []
      return taken
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(waiting)
    }
  }
}

/** Applies what the host has written once more, from where it began, and looks at each entry. */
async function longestApply(network: BenchNetwork, folder: string, tools: LedgerTools): Promise<number> {
  await using life = new AsyncDisposableStack()
  const { log, snapshots } = await openBenchFiles(life, folder)
  const first = (await snapshots.list()).at(-1)!
  const state = await decodeState(snapshots.read(first.sequence), network.parameters)
  const machine = createLedgerMachine(network.parameters, tools, state)
  let longestMs = 0
  for await (const { payload } of log.read({ from: first.sequence })) {
    const entry = decodeEntry(payload)!
    checkBeacon(network, entry.body)
    const before = performance.now()
    if (!machine.applyEntry(entry).ok) throw new Error(`expected entry ${entry.sequence} to be applied`)
    longestMs = Math.max(longestMs, performance.now() - before)
  }
  return longestMs
}

/** As a host has it checked on another thread before it applies the entry. */
function checkBeacon({ parameters }: BenchNetwork, body: EntryBody): void {
  if (body.kind !== 'openRound') return
  const publicKey = Buffer.from(parameters.beacon.publicKey, 'hex')
  verifyBeaconSignature(publicKey, beaconRoundOf(parameters, body.round), body.beaconSignature)
}
