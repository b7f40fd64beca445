/** `holdfast verify`: a verifier from nothing. Shows what it earns, costs and risks, stakes, and runs until it is told to stop. */
import { createInterface } from 'node:readline/promises'
import { createSigner, type LedgerState } from '@holdfast/core'
import { Command } from 'commander'
import { loadConfig } from '../config.ts'
import { dataDirectoryPaths } from '../data-directory.ts'
import { PeerError, systemCodeOf } from '../error.ts'
import { fetchNetwork } from '../fetch-network.ts'
import { loadKey } from '../key-file.ts'
import { readLedgerOf } from '../ledger/read-ledger.ts'
import { readNetworkFile } from '../network-file.ts'
import { chooseNodeHasher } from '../node-hasher.ts'
import { random } from '../roles/components.ts'
import { formatAmount } from '../units.ts'
import { type CheckingCost, measureChecking } from '../verifier/measure-checking.ts'
import { quoteVerifier, type VerifierQuote } from '../verifier/quote-verifier.ts'
import { setUpVerifier } from '../verifier-peer.ts'
import { incomeFacts } from '../views/verifier-screens.ts'
import { runDaemon } from './daemon.ts'
import { type DaemonOptions, withDaemonOptions } from './daemon-options.ts'
import { parseAmount } from './ledger/options.ts'
import { escapeForTerminal, printJsonEvent } from './output.ts'
import { formatFacts } from './table.ts'
import { verifyEvents, verifyScreen } from './verify-screen.ts'
import { verifyStatusCommand, verifyUnstakeCommand } from './verify-subcommands.ts'

interface Options extends DaemonOptions {
  readonly stake?: bigint
  readonly dryRun: boolean
}

export function verifyCommand(signal: AbortSignal): Command {
  const command = new Command('verify').description(
    'Run a verifier: check what the beacon assigns to it, attest, and share in the fees. The first time say which network and how much it stakes; later `holdfast verify` is enough.'
  )
  return withDaemonOptions(command)
    .option('--stake <credits>', 'stake so many in all; each whole unit of the network buys a place', parseAmount)
    .option('--dry-run', 'show what it would earn, cost and risk; stake nothing and make nothing', false)
    .action((options: Options) => (options.dryRun ? dryRun(options, signal) : run(options, signal)))
    .addCommand(verifyStatusCommand(signal))
    .addCommand(verifyUnstakeCommand(signal))
    .enablePositionalOptions() // `verify unstake --directory` is meant for `unstake`
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const { directory, json } = options
  const { address, isNew } = await setUpVerifier(options, signal)
  const paths = dataDirectoryPaths(directory)
  const checking = await measureHere()
  if (isNew && !json)
    process.stdout.write(
      `Set up ${directory}.\n  account  ${address}\n  key      ${paths.keyFile}: keep a copy (\`holdfast key export\`); whoever has it has the credits\n  config   ${paths.configFile}\n`
    )
  const { verifier } = await loadConfig(paths.configFile)
  let isShown = false
  // Who was asked once is not asked again; a stake that is taken back is 0 there.
  if (verifier.stake === undefined) {
    const stake = await askForStake(options, address, checking, signal)
    if (stake === undefined) {
      process.stdout.write('Nothing was staked, and nothing runs. `holdfast verify` asks again.\n')
      return
    }
    await setUpVerifier({ directory, stake })
    isShown = true
  } else if (options.stake !== undefined)
    isShown = await showBeforeStaking(options, address, options.stake, checking, signal)
  await runDaemon(
    options,
    signal,
    json ? verifyEvents(directory, checking) : verifyScreen(directory, checking, isShown)
  )
}

/** @returns undefined when nothing shall be staked */
async function askForStake(
  { directory, json }: Options,
  verifier: VerifierQuote['verifier'],
  checking: CheckingCost,
  signal: AbortSignal
): Promise<bigint | undefined> {
  if (json || !process.stdin.isTTY || !process.stdout.isTTY)
    throw new PeerError(
      'OPTION_INVALID',
      'Say how much to stake: --stake with a number of credits. `holdfast verify --dry-run` shows what it brings.'
    )
  const network = await readNetworkFile(dataDirectoryPaths(directory).networkFile)
  const state = await readLedgerOf(network, { signal, onUnreachable: sayUnreachable(false) })
  const stake = state.parameters.money.stakeUnit
  show(quoteVerifier(state, { verifier, stake }, checking), false)
  const input = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const question = `Stake ${formatAmount(stake)} credits for one place? With --stake it can be more. [y/N] `
    const answer = await input.question(question, { signal })
    return /^y(es)?$/i.test(answer.trim()) ? stake : undefined
  } finally {
    input.close()
  }
}

/** @returns whether there was something to show */
async function showBeforeStaking(
  { directory, json }: Options,
  verifier: VerifierQuote['verifier'],
  stake: bigint,
  checking: CheckingCost,
  signal: AbortSignal
): Promise<boolean> {
  const network = await readNetworkFile(dataDirectoryPaths(directory).networkFile)
  const state = await readLedgerOf(network, { signal, onUnreachable: sayUnreachable(json) })
  const staked = state.verifiers.get(verifier)?.stake ?? 0n
  if (stake <= staked) return false
  show(quoteVerifier(state, { verifier, stake }, checking), json)
  return true
}

async function dryRun(options: Options, signal: AbortSignal): Promise<void> {
  const { directory, json } = options
  const paths = dataDirectoryPaths(directory)
  const network =
    options.network === undefined
      ? await readNetworkFile(paths.networkFile)
      : await fetchNetwork(options.network, signal)
  const verifier = await addressIn(paths.keyFile)
  const state = await readLedgerOf(network, { signal, onUnreachable: sayUnreachable(json) })
  const stake = options.stake ?? stakeWithout(state, verifier)
  show(quoteVerifier(state, { verifier, stake }, await measureHere()), json)
}

/** What it has at stake, or one place. */
function stakeWithout({ verifiers, parameters }: LedgerState, verifier: VerifierQuote['verifier']): bigint {
  const staked = verifiers.get(verifier)?.stake ?? 0n
  return staked > 0n ? staked : parameters.money.stakeUnit
}

/** The account of a directory, or one that nobody has: it is a party of no deal. */
async function addressIn(keyFile: string): Promise<VerifierQuote['verifier']> {
  try {
    return createSigner((await loadKey(keyFile)).raw).address
  } catch (error) {
    if (systemCodeOf(error) !== 'KEY_FILE_MISSING') throw error
    return createSigner(random(32)).address
  }
}

async function measureHere(): Promise<CheckingCost> {
  return measureChecking(await chooseNodeHasher())
}

function show(quote: VerifierQuote, json: boolean): void {
  if (json) printJsonEvent('income', { ...quote })
  else
    process.stdout.write(
      `What verifying brings on network "${escapeForTerminal(quote.network)}", as its ledger stands in round ${quote.round}:\n${formatFacts(incomeFacts(quote))}`
    )
}

function sayUnreachable(json: boolean): (error: Error) => void {
  return ({ message }) => {
    if (json) printJsonEvent('hostUnreachable', { reason: message })
    else process.stderr.write(`holdfast: ${escapeForTerminal(message)}; waiting for it, Ctrl-C ends this\n`)
  }
}
