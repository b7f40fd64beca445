/** `holdfast get`: reads an object back, knowing nothing but its root CID and the network. */
import { Command } from 'commander'
import { createClient } from '../client.ts'
import { formatSize, ownPeakRssMiB } from '../units.ts'
import { escapeForTerminal, printJsonEvent } from './output.ts'

interface Options {
  readonly network: string
  readonly output: string
  readonly json: boolean
}

export function getCommand(signal: AbortSignal): Command {
  return new Command('get')
    .description(
      'Read an object back. Every block is checked against its CID; a provider that fails is left for the next one.'
    )
    .argument('<root>', 'root CID of the object')
    .requiredOption('--network <file>', 'network description (network.json)')
    .requiredOption('--output <path>', 'where to write it; must not exist, or be an empty directory')
    .option('--json', 'print one event a line', false)
    .action((root: string, options: Options) => run(root, options, signal))
}

async function run(root: string, { network, output, json }: Options, signal: AbortSignal): Promise<void> {
  await using client = await createClient({ network, signal })
  const { fileCount, contentSizeBytes, skippedSymlinks } = await client.get(root, output, {
    signal,
    onFailure({ provider, reason }) {
      if (json) printJsonEvent('providerFailed', { provider, reason })
      else
        process.stderr.write(
          `holdfast: ${provider} failed: ${escapeForTerminal(reason)}; going on with the next provider\n`
        )
    }
  })
  if (json)
    printJsonEvent('read', {
      pid: process.pid,
      root,
      output,
      fileCount,
      contentSizeBytes,
      skippedSymlinks,
      peakRssMiB: ownPeakRssMiB()
    })
  else
    process.stdout.write(
      `${fileCount} ${fileCount === 1 ? 'file' : 'files'}, ${formatSize(Number(contentSizeBytes))}, written to ${output}\n`
    )
  for (const { path, target } of json ? [] : skippedSymlinks) {
    process.stderr.write(
      `holdfast: left out the link ${escapeForTerminal(path)} → ${escapeForTerminal(target)}, which leads outside\n`
    )
  }
}
