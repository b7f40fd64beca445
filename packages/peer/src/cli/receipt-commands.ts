/** `holdfast receipt` and `holdfast check-receipt`: evidence about a deal in a round that stands without a network. */
import { readFile, stat } from 'node:fs/promises'
import { type Address, checkReceipt, decodeReceipt, networkIdOf, RECEIPT_SIZE_BYTES_MAX } from '@holdfast/core'
import { Command } from 'commander'
import { PeerError, systemCodeOf } from '../error.ts'
import { fetchReceipt } from '../ledger/fetch-receipt.ts'
import { readNetworkFile } from '../network-file.ts'
import { parseAddress, parseNatural } from './ledger/options.ts'
import { formatTime } from './ledger/show.ts'
import { printJsonEvent } from './output.ts'
import { formatFacts } from './table.ts'

export function receiptCommand(signal: AbortSignal): Command {
  return new Command('receipt')
    .description(
      'Write the receipt of a deal in a round: beacon, leaves, proofs, signatures, and its place in the log.'
    )
    .argument('<deal>', 'number of the deal', parseNatural)
    .argument('<round>', 'a closed round', parseNatural)
    .requiredOption('--network <file>', 'network description (network.json)')
    .option('--verifier <address>', 'show what this verifier attested', parseAddress)
    .action(async (dealId: number, round: number, options: { network: string; verifier?: Address }) => {
      if (process.stdout.isTTY) {
        throw new PeerError('OPTION_INVALID', 'A receipt is bytes: send it to a file, `holdfast receipt … > FILE`.')
      }
      const { network, verifier } = options
      process.stdout.write(await fetchReceipt({ networkFile: network, dealId, round, verifier, signal }))
    })
}

export function checkReceiptCommand(): Command {
  return new Command('check-receipt')
    .description('Check a receipt on a machine without a network: beacon, leaves, paths, signatures, head.')
    .argument('<file>', 'what `holdfast receipt` has written')
    .option('--network <file>', 'the network that it should be of; without it, its own is named and trusted')
    .option('--json', 'print JSON', false)
    .action(check)
}

async function check(file: string, { network, json }: { network?: string; json: boolean }): Promise<void> {
  const bytes = await readReceipt(file)
  const networkId = await networkOf(bytes, network)
  const verdict = checkReceipt(bytes, { networkId })
  if (!verdict.ok) throw new PeerError('RECEIPT_INVALID', `${file} proves nothing: ${verdict.reason}.`, { file })
  const { facts } = verdict
  const id = Buffer.from(networkId).toString('hex')
  if (json) {
    printJsonEvent('valid', { ...facts, networkId: id, networkWasGiven: network !== undefined })
    return
  }
  process.stdout.write(
    formatFacts([
      ['valid', `deal ${facts.dealId} in round ${facts.round} of network "${facts.networkName}": ${facts.verdict}`],
      ['opened', formatTime(facts.opensMs)],
      ['provider', facts.provider],
      ['shown to', facts.verifier ?? 'the ledger itself'],
      ['asked for', `${facts.leavesAsked} leaves in ${facts.pieces} pieces`],
      [
        'in the log',
        facts.log === undefined
          ? 'not shown: signatures stand, that the ledger took them does not'
          : `entry ${facts.log.sequence}, under head ${facts.log.headNumber} of ${facts.log.headSize} entries`
      ],
      [
        'beacon',
        facts.beaconSource === 'drand'
          ? 'drand: nobody could foresee the leaves'
          : 'one key of the ledger host, which could foresee the leaves'
      ],
      [
        'network',
        `${id}${network === undefined ? ', as the receipt itself says: compare it with one that you trust' : ''}`
      ]
    ])
  )
}

async function networkOf(bytes: Uint8Array, file: string | undefined): Promise<Uint8Array> {
  if (file !== undefined) return networkIdOf((await readNetworkFile(file)).parameters)
  const decoded = decodeReceipt(bytes)
  return decoded.ok ? networkIdOf(decoded.receipt.parameters) : new Uint8Array(32)
}

async function readReceipt(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size <= RECEIPT_SIZE_BYTES_MAX) return new Uint8Array(await readFile(path))
  } catch (cause) {
    const code = systemCodeOf(cause)
    throw new PeerError(
      code === 'ENOENT' ? 'PATH_MISSING' : 'PATH_UNREADABLE',
      `${path} cannot be read (${code}).`,
      { path },
      { cause }
    )
  }
  throw new PeerError('RECEIPT_INVALID', `${path} is too large for a receipt.`, { path })
}
