/**
 * A verifier for apps: the peer of `holdfast verify` in one's own process.
 *
 * ```ts
 * const verifier = await createVerifier({ directory: 'verifier', network: 'network.json', stake: parseCredits('100') })
 * console.log(verifier.expected().perRound)
 * await verifier.stop()
 * ```
 *
 * Its key, its config and what it has to answer for stand in its directory, as those of a daemon do; only one process at a
 * time runs on it. It stakes when its account has the credits, and says what is missing until then.
 */
import {
  type Address,
  createSigner,
  type ExpectedIncome,
  expectIncome,
  type Ledger,
  type NetworkDescription,
  type ProviderReport,
  reportProviders
} from '@holdfast/core'
import { loadConfig, setConfigValue } from './config.ts'
import { dataDirectoryPaths } from './data-directory.ts'
import { PeerError } from './error.ts'
import { fetchNetwork } from './fetch-network.ts'
import { loadKey } from './key-file.ts'
import { type Peer, type PeerEvent, startPeer } from './peer.ts'
import { announceUnstake } from './roles/announce.ts'
import { random } from './roles/components.ts'
import { type SetUpPeer, setUpPeer } from './set-up.ts'
import type { VerifierRound } from './verifier/round-book.ts'
import { type LeavingView, viewLeaving } from './views/verifier-views.ts'

export type { VerifierRound } from './verifier/round-book.ts'

export interface VerifierWishes {
  /** Made when it is missing. */
  readonly directory: string
  /** The first time: a description, or the file, web address or member that it comes from. */
  readonly network?: string | NetworkDescription | undefined
  /** All that is to be staked, in atto; what is left out stays as the config has it, at first one place. */
  readonly stake?: bigint | undefined
  /** The first time: multiaddrs to listen on. Providers push their proofs there. */
  readonly listen?: readonly string[] | undefined
}

export interface VerifierPeerOptions extends VerifierWishes {
  /** Called whenever something about a round in which deals are assigned has changed. */
  readonly onRound?: (round: VerifierRound) => void
  readonly onEvent?: (event: PeerEvent) => void
  /** Ends the start while it waits; `stop` ends a verifier that runs. */
  readonly signal?: AbortSignal
}

export interface VerifierPeer extends AsyncDisposable {
  readonly address: Address
  readonly ledger: Ledger
  /** Resolves when it was stopped. @throws what keeps it from going on; it is stopped then */
  readonly ended: Promise<void>
  /** @param stake - in atto; left out, what is staked now */
  expected(stake?: bigint): ExpectedIncome
  /** The newest rounds in which something was assigned, oldest first. */
  rounds(last?: number): VerifierRound[]
  /** What is known of each provider, or of one: by the ledger, and by what this verifier saw itself. */
  reports(provider?: Address): ProviderReport[]
  /**
   * Takes stake back, or all of it. Go on running until it is free: what was attested can be disputed until then.
   *
   * @returns all that is on its way, and when it is free
   * @throws {PeerError} `NOT_UNSTAKED` with the ledger's reason
   */
  unstake(amount?: bigint): Promise<LeavingView[]>
  /** Idempotent; resolves when nothing runs any more. */
  stop(): Promise<void>
}

/** @throws {PeerError} what setting up and starting a peer throw, and `NOT_A_VERIFIER`, each with what to do */
export async function createVerifier(options: VerifierPeerOptions): Promise<VerifierPeer> {
  const { directory, onRound, onEvent, signal } = options
  await setUpVerifier(options, signal)
  const ended = Promise.withResolvers<void>()
  ended.promise.catch(() => undefined) // who does not look at it is not to fall over it
  let running: Peer | undefined
  const stop = async () => {
    await running?.stop()
    ended.resolve()
  }
  const peer = await startPeer({
    directory,
    ...(onEvent !== undefined && { onEvent }),
    ...(signal !== undefined && { signal }),
    onFailure(error) {
      ended.reject(error)
      void running?.stop()
    }
  })
  running = peer
  const { ledger, address } = peer
  const { rounds, observations } = peer.verifier!
  if (onRound !== undefined) rounds.subscribe(onRound)
  const staked = () => ledger.state.verifiers.get(address)?.stake ?? 0n
  return {
    address,
    ledger,
    ended: ended.promise,
    expected: (stake = staked()) => expectIncome(ledger.state, { verifier: address, stake }),
    rounds: last => rounds.rounds(last),
    reports: provider => reportProviders(ledger.state, observations, provider),
    unstake: amount => unstakeIn(directory, ledger, amount, signal),
    stop,
    [Symbol.asyncDispose]: stop
  }
}

/**
 * Makes what a verifier's directory is missing, and writes the stake that is wanted into its config.
 *
 * @throws {PeerError} what `setUpPeer` throws; `NOT_A_VERIFIER` for the directory of a peer that is none
 */
export async function setUpVerifier(
  { directory, network, stake, listen }: VerifierWishes,
  signal?: AbortSignal
): Promise<SetUpPeer> {
  const description = typeof network === 'string' ? await fetchNetwork(network, signal) : network
  const set = await setUpPeer(description, { directory, roles: ['verifier'], listen })
  const { configFile } = dataDirectoryPaths(directory)
  const config = await loadConfig(configFile)
  if (!config.roles.includes('verifier'))
    throw new PeerError(
      'NOT_A_VERIFIER',
      `The peer of ${directory} is ${config.roles.join(', ')} and no verifier: add "verifier" to the roles in ${configFile} and run \`holdfast start\`, or give the verifier a --directory of its own.`,
      { directory }
    )
  if (stake !== undefined && stake !== config.verifier.stake) await writeStake(configFile, stake)
  return set
}

/** Takes stake of a directory's verifier back; its config says so first, so that no restart stakes it again. */
export async function unstakeIn(
  directory: string,
  ledger: Ledger,
  amount: bigint | undefined,
  signal: AbortSignal | undefined
): Promise<LeavingView[]> {
  const { configFile, keyFile } = dataDirectoryPaths(directory)
  const signer = createSigner((await loadKey(keyFile)).raw)
  const { state } = ledger
  const stake = state.verifiers.get(signer.address)?.stake ?? 0n
  const taken = amount ?? stake
  const left = stake - taken
  const { stakeUnit } = state.parameters.money
  if (taken <= 0n || left < 0n || (left > 0n && left < stakeUnit))
    throw new PeerError(
      'NOT_UNSTAKED',
      stake === 0n
        ? 'Nothing is staked, so nothing can be taken back.'
        : `Of a stake of ${stake} atto all can be taken back, or so much that ${stakeUnit} stay.`,
      { stake, needed: stakeUnit }
    )
  await writeStake(configFile, left)
  await announceUnstake({ ledger, signer, random, signal }, taken)
  return viewLeaving(state, signer.address)
}

function writeStake(configFile: string, stake: bigint): Promise<void> {
  return setConfigValue(configFile, ['verifier', 'stake'], `"${stake}"`)
}
