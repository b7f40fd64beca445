/** `holdfast ledger`: questions to the log itself. */
import { Command } from 'commander'
import { dataDirectoryPaths } from '../data-directory.ts'
import { PeerError } from '../error.ts'
import { replayLog } from '../ledger/replay-log.ts'
import { wasmSignatureVerifier } from '../ledger/wasm-signatures.ts'
import { readNetworkFile } from '../network-file.ts'
import { chooseNodeHasher } from '../node-hasher.ts'
import { formatAmount, ownPeakRssMiB } from '../units.ts'
import { checkForkCommand } from './check-fork-command.ts'
import { mendCommand } from './ledger/mend-command.ts'
import { ledgerReadCommands } from './ledger/read-commands.ts'
import { recalcCommand } from './ledger/recalc-command.ts'
import { printJsonEvent } from './output.ts'

interface VerifyOptions {
  readonly directory: string
  readonly json: boolean
}

export function ledgerCommand(signal: AbortSignal): Command {
  const verifyCommand = new Command('verify')
    .description(
      'Replay a log from disk, beside a running host or without one: every signature, beacon, proof and balance again.'
    )
    .requiredOption('--directory <path>', 'data directory of a ledger host')
    .option('--json', 'print one event a line', false)
    .action(verify)
  const command = new Command('ledger').description('Questions to the ledger.')
  for (const subcommand of [
    ...ledgerReadCommands(signal),
    verifyCommand.exitOverride(),
    checkForkCommand(),
    recalcCommand(signal),
    mendCommand(signal)
  ])
    command.addCommand(subcommand)
  return command
}

async function verify({ directory, json }: VerifyOptions): Promise<void> {
  const paths = dataDirectoryPaths(directory)
  const { parameters } = await readNetworkFile(paths.networkFile)
  const tools = { signatures: wasmSignatureVerifier, nodeHasher: await chooseNodeHasher() }
  const { entries, state, stateHash, heads, head, supply, sum, violations } = await replayLog(
    paths.ledgerDirectory,
    parameters,
    tools
  )
  const conserved = supply === sum
  if (json)
    printJsonEvent('verified', {
      pid: process.pid,
      entries,
      round: state.round,
      stateHash,
      heads,
      head,
      supply,
      sum,
      conserved,
      violations,
      peakRssMiB: ownPeakRssMiB()
    })
  else {
    process.stdout.write(
      `${entries} entries, round ${state.round}, state ${stateHash}\n` +
        (head === undefined
          ? 'no signed heads\n'
          : `${heads} signed heads, the newest ${head.number} over ${head.size} entries\n`) +
        `${formatAmount(sum, 18)} credits in all balances, ${formatAmount(supply, 18)} at genesis: ${conserved ? 'conserved to the atto' : 'NOT CONSERVED'}\n`
    )
  }
  if (violations.length > 0) {
    throw new PeerError(
      'INVARIANT_VIOLATED',
      violations
        .map(({ sequence, invariant, violation }) => `after entry ${sequence}, ${invariant}: ${violation}`)
        .join('; '),
      { violations }
    )
  }
}
