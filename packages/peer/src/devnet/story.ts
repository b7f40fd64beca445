/**
 * The main job: the life of one object in a devnet, in six steps that each must hold.
 *
 * Pack it; store it on three providers; see them proved and paid; kill one, and see its fault, its docket and its pay
 * resume; kill another for good and read everything back; replay the log and count the credits. This process is the
 * client: it touches the peers through the wire, signals and what they print, and through nothing else.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Deal, DealResult, Ledger, StoredReplica } from '@holdfast/core'
import { nodePieceCiphers } from '../ciphers.ts'
import { aborted } from '../cli/interrupt.ts'
import { type Client, createClient } from '../client.ts'
import { PeerError } from '../error.ts'
import { compareTrees } from '../files/index.ts'
import { chooseNodeHasher } from '../node-hasher.ts'
import { type StagedObject, stageObject } from '../staging/stage-object.ts'
import { ownPeakRssMiB } from '../units.ts'
import { awaitAsks } from './await-asks.ts'
import { type ChildEvent, spawnHoldfast } from './child-process.ts'
import { type Devnet, type DevnetPeer, startDevnet } from './devnet.ts'
import type { Screen } from './screen.ts'
import { nextRoundThat } from './watch-rounds.ts'

export interface StoryOptions {
  readonly path: string
  readonly ignore: (relativePath: string) => boolean
  /** Where data directories go and stay; a temporary directory, removed at the end, when undefined. */
  readonly directory: string | undefined
  readonly roundMs: number
  /** Leave the network running at the end until the signal aborts. */
  readonly staysUp: boolean
  readonly screen: Screen
  readonly signal: AbortSignal
}

/** What the steps after storing work with. */
interface Story extends StoryOptions {
  readonly directory: string
  readonly devnet: Devnet
  readonly client: Client
  readonly ledger: Ledger
  readonly object: StagedObject
  readonly replicas: readonly StoredReplica[]
  /** Highest resident memory in MiB of processes that have ended. */
  readonly peaks: Record<string, number>
}

const PROVIDERS = 4
const REPLICAS = 3
/** Rounds in which every replica is proved and paid, before a provider is killed. */
const PROVED_ROUNDS_SHOWN = 2

/** @throws {PeerError} with the code of what went wrong and the step in message and details */
export async function runDevnetStory(options: StoryOptions): Promise<void> {
  const { screen, signal, path, ignore, roundMs } = options
  const step = <T>(name: string, action: () => Promise<T>) => inStep(signal, name, action)
  await using life = new AsyncDisposableStack()
  const directory = await prepareDirectory(life, options.directory)
  // Packing needs no network: a path that cannot be stored has started nothing.
  const object = life.use(await step('pack', () => pack(options, directory)))
  const devnet = life.use(
    await step('start the network', () =>
      startDevnet({
        directory,
        providers: PROVIDERS,
        roundMs,
        signal,
        onProcess: (peer, pid) => screen.process(peer.name, peer.role, pid)
      })
    )
  )
  screen.namePeers(devnet.peers)
  const client = life.use(await createClient({ network: devnet.network, key: devnet.clientKeyFile, signal }))
  const ledger = await step('read the ledger', () => client.ledger())
  await step('hear of all providers', () => awaitAsks(ledger, PROVIDERS, signal))
  const tally = { rounds: 0, faults: 0 }
  life.defer(
    ledger.subscribe(({ events }) => {
      for (const event of events) {
        if (event.kind !== 'roundClosed' || event.results.length === 0) continue
        tally.rounds += 1
        tally.faults += event.results.filter(({ outcome }) => outcome.kind === 'fault').length
        screen.round(event, ledger.state)
      }
    })
  )
  screen.packed(path, object, await client.quote(object, { replicas: REPLICAS }))
  const replicas = await step('store', () => store(client, object, options))
  const story: Story = { ...options, directory, devnet, client, ledger, object, replicas, peaks: {} }
  await step('prove and pay', () => watchProofs(story))
  await step('kill and restart a provider', () => killAndRestart(story))
  await step('read back without a provider', () => killAndRead(story, ignore))
  const replayed = await step('replay the log', () => replay(story))
  screen.done({
    rootCid: object.root,
    replicas: replicas.length,
    ...tally,
    bytesEqual: true,
    conserved: true,
    stateHash: replayed.stateHash,
    peakRssMiB: { ...(await devnet.peakRssMiB()), ...story.peaks, client: ownPeakRssMiB() }
  })
  if (!options.staysUp) return
  screen.stayingUp()
  await aborted(signal)
}

/**
 * Says in which step something went wrong. A stop by the user is no failure of a step, whatever failed because of it: the
 * processes hear of it too.
 */
async function inStep<T>(signal: AbortSignal, name: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof Error)) throw error
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'STEP_FAILED'
    throw new PeerError(code, `step "${name}": ${error.message}`, { step: name }, { cause: error })
  }
}

async function prepareDirectory(life: AsyncDisposableStack, wanted: string | undefined): Promise<string> {
  if (wanted !== undefined) {
    await mkdir(wanted, { recursive: true })
    if ((await readdir(wanted)).length > 0)
      throw new PeerError('DIRECTORY_NOT_EMPTY', `${wanted} is not empty: name a new or empty directory.`, {
        path: wanted
      })
    return wanted
  }
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-devnet-'))
  life.defer(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function pack({ path, ignore, signal, screen }: StoryOptions, directory: string): Promise<StagedObject> {
  using progress = screen.packing(path)
  const components = {
    nodeHasher: await chooseNodeHasher(),
    ciphers: nodePieceCiphers,
    random: (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes))
  }
  // In public on purpose: what is stored is read back by somebody who knows nothing but the root.
  return await stageObject(path, components, {
    encrypt: false,
    ignore,
    signal,
    stagingDirectory: directory,
    onPackProgress: progress.report
  })
}

async function store(client: Client, object: StagedObject, { screen, signal }: StoryOptions): Promise<StoredReplica[]> {
  using progress = screen.storing()
  return await client.store(object, {
    replicas: REPLICAS,
    signal,
    onProgress(event) {
      if (event.kind !== 'catchingUp') progress.report(event)
    }
  })
}

async function watchProofs(story: Story): Promise<void> {
  story.screen.heading(
    'Each round the beacon asks every provider for leaves that nobody could foresee. What is proved is paid.'
  )
  for (let shown = 0; shown < PROVED_ROUNDS_SHOWN; shown += 1) {
    await nextRoundThat(story, 'shows all replicas proved and paid', ofOurs(story, isPaid))
  }
}

/** Paid implies that the deal owes nothing. */
const isPaid = ({ outcome, paid }: DealResult) => outcome.kind === 'proved' && paid > 0n

/** A missed round loses its pay and nothing else; what it left unproved is owed, and once it is proved, pay resumes. */
async function killAndRestart(story: Story): Promise<void> {
  const { devnet, ledger, screen } = story
  const { peer, deal } = providerOf(story, 0)
  const collateralBefore = deal.collateral
  screen.killing(peer.name, devnet.processOf(peer).pid, 'SIGKILL; it comes back')
  await devnet.kill(peer)
  const isVictim = ({ dealId }: DealResult) => dealId === deal.id
  await nextRoundThat(
    story,
    `shows the fault of ${peer.name} while the others are paid`,
    ofOurs(story, result => (isVictim(result) ? result.outcome.kind === 'fault' : isPaid(result)))
  )
  await devnet.restart(peer)
  screen.restarted(peer.name, devnet.processOf(peer).pid)
  await nextRoundThat(story, `pays ${peer.name} again`, results =>
    results.some(result => isVictim(result) && isPaid(result))
  )
  if (deal.status !== 'active' || deal.collateral < collateralBefore) {
    throw new PeerError(
      'COLLATERAL_TOUCHED',
      `deal ${deal.id} is ${deal.status} and has ${deal.collateral} of ${collateralBefore} atto of collateral`
    )
  }
  screen.recovered(peer.name, collateralBefore, deal.collateral, ledger.state)
}

async function killAndRead(story: Story, ignore: (relativePath: string) => boolean): Promise<void> {
  const { devnet, screen, object, path, directory } = story
  const { peer } = providerOf(story, 1)
  screen.killing(peer.name, devnet.processOf(peer).pid, 'SIGKILL; it does not come back')
  await devnet.kill(peer)
  const output = join(directory, 'read-back', basename(path))
  await mkdir(join(directory, 'read-back'))
  const network = ['--network', devnet.networkFile]
  await runFresh(story, 'reader', ['get', object.root.toString(), output, ...network], 'read')
  const comparison = await compareTrees(path, output, { ignore })
  if (!comparison.equal)
    throw new PeerError('BYTES_DIFFER', `what was read back is not what was stored: ${comparison.difference}`)
  screen.readBack(comparison.files, comparison.bytes, peer.name)
}

async function replay(story: Story): Promise<{ stateHash: string }> {
  const { devnet, screen } = story
  const commandArguments = ['ledger', 'verify', '--directory', devnet.peers[0]!.directory]
  const verified = await runFresh(story, 'auditor', commandArguments, 'verified')
  const { entries, stateHash, sum, supply, conserved, violations } = verified
  if (conserved !== true || (violations as unknown[]).length > 0)
    throw new PeerError('NOT_CONSERVED', `the balances sum to ${sum} atto, the genesis made ${supply}`)
  screen.replayed(Number(entries), String(stateHash), BigInt(String(sum)), BigInt(String(supply)))
  return { stateHash: String(stateHash) }
}

/** Runs a command in a process of its own that knows nothing of this one. @returns what it printed as that event */
async function runFresh(
  { screen, signal, peaks }: Story,
  name: string,
  commandArguments: readonly string[],
  event: string
): Promise<ChildEvent> {
  const child = spawnHoldfast(commandArguments)
  screen.process(name, commandArguments[0]!, child.pid)
  const stop = () => child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const printed = await child.event(event)
    await child.exited
    peaks[name] = Number(printed.peakRssMiB)
    return printed
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** A test of the results of this story's deals, which must all be there. */
function ofOurs({ replicas }: Story, passes: (result: DealResult) => boolean) {
  const ours = new Set(replicas.map(({ dealId }) => dealId))
  return (results: readonly DealResult[]) => {
    const own = results.filter(({ dealId }) => ours.has(dealId))
    return own.length === ours.size && own.every(passes)
  }
}

/**
 * The providers that hold a replica, the last name first: wherever placement put the replicas, two can be killed and
 * provider-1, which README speaks to afterwards, is left.
 */
function providerOf({ devnet, ledger, replicas }: Story, index: number): { peer: DevnetPeer; deal: Deal } {
  const holders = devnet.providers.flatMap(peer => {
    const replica = replicas.find(({ provider }) => provider === peer.address)
    return replica === undefined ? [] : [{ peer, deal: ledger.state.deals.get(replica.dealId)! }]
  })
  return holders.at(-1 - index)!
}
