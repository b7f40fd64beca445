/** `holdfast ledger mend`: brings a damaged log back from a peer that has it. */
import { randomBytes } from 'node:crypto'
import {
  createFallbackSource,
  createRemoteSource,
  groupByPeer,
  machineClock,
  networkIdOf,
  parsePeerAddresses
} from '@holdfast/core'
import { Command } from 'commander'
import { dataDirectoryPaths, openDataDirectory } from '../../data-directory.ts'
import { PeerError } from '../../error.ts'
import { mendLog } from '../../ledger/mend-log.ts'
import { wasmSignatureVerifier } from '../../ledger/wasm-signatures.ts'
import { expectNetworkFile, readNetworkFile } from '../../network-file.ts'
import { createNode } from '../../node.ts'
import { printJsonEvent } from '../output.ts'

interface MendCommandOptions {
  readonly directory: string
  readonly from?: readonly string[]
  readonly json: boolean
}

export function mendCommand(signal: AbortSignal): Command {
  return new Command('mend')
    .description(
      'Bring a damaged log back from a peer that has it; every entry is checked against heads that the host signed.'
    )
    .requiredOption('--directory <path>', 'data directory whose log is damaged; its daemon must not run')
    .option(
      '--from <multiaddr>',
      'a peer that has the log, with its /p2p/ id; may be given again; default: those of the network description',
      (address: string, before: readonly string[] = []) => [...before, address]
    )
    .option('--json', 'print one event a line', false)
    .action((options: MendCommandOptions) => mend(options, signal))
    .exitOverride()
}

async function mend({ directory: path, from = [], json }: MendCommandOptions, signal: AbortSignal): Promise<void> {
  await expectNetworkFile(dataDirectoryPaths(path).networkFile)
  await using directory = await openDataDirectory(path)
  const network = await readNetworkFile(directory.networkFile)
  const { parameters, addresses } = network
  const networkId = networkIdOf(parameters)
  const peers = groupByPeer(from.length > 0 ? from : [...addresses.bootstrap, ...addresses.host])
  if (peers.length === 0)
    throw new PeerError('OPTION_INVALID', 'This network description names no peer: say with --from who has the log.')
  await using node = await createNode({ privateKey: new Uint8Array(randomBytes(32)), listen: [] })
  await node.start()
  const sources = peers.map(texts =>
    createRemoteSource({ node: node.libp2p, networkId, host: parsePeerAddresses(texts) })
  )
  const report = await mendLog({
    directory: directory.ledgerDirectory,
    authority: { networkId, host: parameters.host, signatures: wasmSignatureVerifier },
    source: createFallbackSource(sources, machineClock),
    signal
  })
  if (json) {
    printJsonEvent('mended', { ...report })
    return
  }
  const { length, head, mended, headsMended } = report
  const lines = mended.map(
    ({ from: first, to, reason }) => `entries ${first} to ${to - 1} were written again: ${reason}`
  )
  if (headsMended) lines.push('the file of heads was written again')
  if (lines.length === 0) lines.push('nothing had to be mended')
  process.stdout.write(
    `${lines.join('\n')}\n${length} entries, as under head ${head.number} over ${head.size} of them\n`
  )
}
