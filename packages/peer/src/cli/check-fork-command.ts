/** `holdfast ledger check-fork`: whether a file proves that a network's host keeps two histories. For anybody. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import {
  type Contradiction,
  FORK_PROOF_SIZE_BYTES_MAX,
  networkIdOf,
  portableSignatureVerifier,
  verifyForkProof
} from '@holdfast/core'
import { Command } from 'commander'
import { PeerError, systemCodeOf } from '../error.ts'
import { readNetworkFile } from '../network-file.ts'
import { printJsonEvent } from './output.ts'

interface CheckForkOptions {
  readonly network?: string
  readonly json: boolean
}

/** What each contradiction says to people. */
const SAYINGS: Readonly<Record<Contradiction, string>> = {
  'same number': 'two heads have one number',
  'same size': 'two heads over the same number of entries have two roots',
  shrunk: 'the later head covers fewer entries than the earlier one',
  'other previous': 'the later head follows another one than the host had signed before it',
  'begins otherwise': 'the log under the later head does not begin with the log under the earlier one'
}

/** Needs nothing but the proof and the network's description: no peer, no log, no connection. */
export function checkForkCommand(): Command {
  return new Command('check-fork')
    .description('Check a proof that the host of a network keeps two histories; needs no log and no connection.')
    .argument('<file>', 'the proof, in bytes or in hex')
    .option(
      '--network <path>',
      'the description of the network; without it, that of the data directory in which the proof is'
    )
    .option('--json', 'print one event a line', false)
    .action(checkFork)
    .exitOverride()
}

async function checkFork(
  file: string,
  { network = join(dirname(resolve(file)), '..', 'network.json'), json }: CheckForkOptions
): Promise<void> {
  const { parameters } = await readNetworkFile(network)
  const verdict = verifyForkProof(await readProof(file), {
    networkId: networkIdOf(parameters),
    host: parameters.host,
    signatures: portableSignatureVerifier
  })
  if (!verdict.ok) {
    throw new PeerError(
      'NOT_A_FORK',
      `This proves nothing against the host of "${parameters.name}": ${verdict.reason}.`,
      {
        file
      }
    )
  }
  const { contradiction, heads } = verdict
  if (json) {
    const facts = heads.map(({ number, size, root, timeMs }) => ({ number, size, root, timeMs }))
    printJsonEvent('forked', { host: parameters.host, contradiction, heads: facts })
    return
  }
  const lines = heads.map(
    ({ number, size, root, timeMs }) =>
      `  head ${number}: ${size} entries, root ${Buffer.from(root).toString('hex')}, ${formatTime(timeMs)}\n`
  )
  process.stdout.write(
    `The host ${parameters.host} has signed two histories: ${SAYINGS[contradiction]}.\n${lines.join('')}`
  )
}

/** @throws {PeerError} `PATH_UNREADABLE`, `NOT_A_FORK` for a file that is too large for any proof */
async function readProof(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file)
    // In hex it is twice as long, with the end of a line.
    if (size > 2 * FORK_PROOF_SIZE_BYTES_MAX + 2)
      throw new PeerError('NOT_A_FORK', `${file} has ${size} bytes, more than any fork proof.`, { file, size })
    const bytes = await readFile(file)
    const text = bytes.toString('latin1').trim()
    return /^(?:[0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, 'hex') : bytes
  } catch (cause) {
    if (cause instanceof PeerError) throw cause
    throw new PeerError('PATH_UNREADABLE', `${file} cannot be read (${systemCodeOf(cause)}).`, { file }, { cause })
  }
}

/** A host may sign any number as its time, also one that no calendar has. */
function formatTime(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? `${timeMs} ms` : date.toISOString()
}
