/** `holdfast ledger recalc`: whether snapshots and indexes say what the log says. */
import { Command } from 'commander'
import { dataDirectoryPaths, openDataDirectory } from '../../data-directory.ts'
import { PeerError } from '../../error.ts'
import { recalcLedger } from '../../ledger/recalc-ledger.ts'
import { createSnapshotStore } from '../../ledger/snapshot-store.ts'
import { wasmSignatureVerifier } from '../../ledger/wasm-signatures.ts'
import { expectNetworkFile, readNetworkFile } from '../../network-file.ts'
import { chooseNodeHasher } from '../../node-hasher.ts'
import { printJsonEvent } from '../output.ts'

interface RecalcCommandOptions {
  readonly directory: string
  readonly json: boolean
}

export function recalcCommand(signal: AbortSignal): Command {
  return new Command('recalc')
    .description('Compute again what is kept beside the log, and list every figure that differs from a full replay.')
    .requiredOption('--directory <path>', 'data directory; its daemon must not run')
    .option('--json', 'print one event a line', false)
    .action((options: RecalcCommandOptions) => recalc(options, signal))
    .exitOverride()
}

async function recalc({ directory: path, json }: RecalcCommandOptions, signal: AbortSignal): Promise<void> {
  await expectNetworkFile(dataDirectoryPaths(path).networkFile)
  await using directory = await openDataDirectory(path)
  const { parameters } = await readNetworkFile(directory.networkFile)
  const { entries, stateHash, snapshots, differences } = await recalcLedger({
    directory: directory.ledgerDirectory,
    index: directory.state.sublevel('ledger'),
    snapshots: createSnapshotStore(
      directory.state.sublevel<string, Uint8Array>('snapshots', { valueEncoding: 'view' })
    ),
    parameters,
    tools: { signatures: wasmSignatureVerifier, nodeHasher: await chooseNodeHasher() },
    signal
  })
  if (json) printJsonEvent('recalculated', { entries, stateHash, snapshots, differences })
  else
    process.stdout.write(
      `${entries} entries, state ${stateHash}, ${snapshots} snapshots\n` +
        differences.map(({ where, figure }) => `${where}: ${figure} differs\n`).join('')
    )
  if (differences.length > 0)
    throw new PeerError(
      'FIGURES_DIFFER',
      `${differences.length} derived figures differ from the log: delete the folder "state" of the data directory, it is made again from the log and the pieces.`,
      { differences }
    )
}
