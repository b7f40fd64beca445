/** A host's start on a long log: by a replay of all of it, and then from the snapshot that the first start has left. */
import {
  createLedgerMachine,
  createLogTree,
  headAfter,
  type LedgerMachine,
  portableSignatureVerifier,
  roundOpensMs,
  type SignatureVerifier,
  signHead
} from '@holdfast/core'
import { chooseNodeHasher } from '@holdfast/peer'
import type { Task } from '../data/measured-process.ts'
import { createBenchClock } from './bench-clock.ts'
import { type BenchNetwork, createBenchNetwork, type NetworkOptions, transferAt } from './bench-network.ts'
import { appendTo, attestationsOf, openingOf } from './many-deals.ts'
import { openBenchFiles, openBenchHost } from './open-host.ts'
import { openDeals } from './play-deals.ts'
import { signatureAt, signTransfers } from './sign-transfers.ts'

/** Transfers of a round; what else there is in it are an opening and the attestations of all verifiers. */
const TRANSFERS_PER_ROUND = 2_000
/** Transfers that are signed, and entries that are written, at a time. */
const TRANSFERS_PER_BATCH = 20_000
const APPEND_MAX = 256

interface Preparation {
  readonly network: NetworkOptions
  readonly folder: string
  readonly deals: number
  readonly entries: number
}

export const replay: Task = async () => {
  let preparation: Preparation | undefined
  let network: BenchNetwork | undefined
  return {
    /** @returns entries of the log */
    async prepare(given: Preparation): Promise<number> {
      preparation = given
      network = createBenchNetwork(given.network)
      return await writeLog(network, given)
    },
    /** The first call replays; each one leaves a snapshot if there is none. */
    async start() {
      const clock = createBenchClock(roundOpensMs(network!.parameters, 1))
      await using opened = await openBenchHost(network!, preparation!.folder, clock)
      const { snapshotSequence, length } = opened.host
      return { seconds: opened.startSeconds, snapshotSequence, length }
    }
  }
}

/** Applies entries by all rules but signatures: those are true, and checked when the log is replayed. */
async function writeLog(network: BenchNetwork, { folder, deals, entries }: Preparation): Promise<number> {
  await using life = new AsyncDisposableStack()
  const { log, heads } = await openBenchFiles(life, folder)
  const believing = createBelievingVerifier()
  const machine = createLedgerMachine(network.parameters, {
    signatures: believing.verifier,
    nodeHasher: await chooseNodeHasher()
  })
  const tree = createLogTree()
  let waiting: Uint8Array[] = []
  const write = async () => {
    if (waiting.length > 0) await log.append(waiting)
    waiting = []
  }
  const add = async (payload: Uint8Array) => {
    tree.append(payload)
    waiting.push(payload)
    if (waiting.length === APPEND_MAX) await write()
  }
  for (const payload of await openDeals(network, machine, deals)) await add(payload)
  believing.start()
  let signatures: Uint8Array = new Uint8Array()
  for (let index = 0; machine.state.sequence < entries; index += 1) {
    const position = index % TRANSFERS_PER_BATCH
    if (position === 0) signatures = await signTransfers(network.options, index, index + TRANSFERS_PER_BATCH)
    if (index % TRANSFERS_PER_ROUND === 0)
      for await (const payload of playRound(network, machine, believing)) await add(payload)
    const command = transferAt(network, index, signatureAt(signatures, position))
    believing.expect(command.statement.from)
    await add(appendTo(machine, { kind: 'command', command }, machine.state.timeMs))
  }
  await write()
  const { networkId } = network
  const { timeMs } = machine.state
  await heads.write(
    signHead(headAfter(undefined, { networkId, size: tree.size, root: tree.root(), timeMs }), network.host)
  )
  return tree.size
}

async function* playRound(network: BenchNetwork, machine: LedgerMachine, believing: BelievingVerifier) {
  const { state } = machine
  const round = state.round + 1
  yield appendTo(machine, await openingOf(network, round), roundOpensMs(network.parameters, round))
  for (const { command } of attestationsOf(network, state)) {
    believing.expect(command.statement.verifier)
    yield appendTo(machine, { kind: 'command', command }, state.timeMs)
  }
}

type BelievingVerifier = ReturnType<typeof createBelievingVerifier>

/** Checks signatures until it is told to believe: it then answers whom it was told of. */
function createBelievingVerifier() {
  let believes = false
  let expected: ReturnType<SignatureVerifier['recover']>
  const verifier: SignatureVerifier = {
    recover: (digest, signature) => (believes ? expected : portableSignatureVerifier.recover(digest, signature))
  }
  return {
    verifier,
    start() {
      believes = true
    },
    expect(signer: typeof expected) {
      expected = signer
    }
  }
}
