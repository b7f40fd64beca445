/** `holdfast start`: runs the peer of a data directory until it is told to stop. */
import type { ProverEvent } from '@holdfast/core'
import { Command } from 'commander'
import { type Peer, type PeerEvent, startPeer } from '../peer.ts'
import { aborted } from './interrupt.ts'
import { escapeForTerminal, formatJson, printJsonEvent } from './output.ts'

interface Options {
  readonly directory: string
  readonly json: boolean
  readonly stopWithParent: boolean
}

export function startCommand(signal: AbortSignal): Command {
  return new Command('start')
    .description(
      'Run the peer of a data directory. Its config.toml says which roles it has: provider, verifier, ledger-host.'
    )
    .requiredOption('--directory <path>', 'data directory; needs a network.json, and gets a key and the rest')
    .option('--json', 'print one event a line', false)
    .option(
      '--stop-with-parent',
      'stop when standard input ends, so that nothing outlives the program that started this',
      false
    )
    .action((options: Options) => run(options, signal))
}

async function run({ directory, json, stopWithParent }: Options, signal: AbortSignal): Promise<void> {
  const orphaned = new AbortController()
  const end = AbortSignal.any([signal, orphaned.signal])
  if (stopWithParent) process.stdin.on('end', () => orphaned.abort(new Error('the parent process has ended'))).resume()
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined) // also when it comes during the start, which then fails by itself
  try {
    await using peer = await startPeer({
      directory,
      signal: end,
      onEvent: event => (json ? printEvent(event) : printLine(event)),
      onFailure: failed.reject
    })
    printReady(peer, directory, json)
    await Promise.race([aborted(end), failed.promise])
  } catch (error) {
    if (error !== end.reason) throw error
  } finally {
    process.stdin.destroy()
  }
}

function printReady(peer: Peer, directory: string, json: boolean): void {
  const { address, roles, addresses } = peer
  if (json) printJsonEvent('ready', { pid: process.pid, address, roles, addresses })
  else
    process.stdout.write(
      `holdfast: ${roles.join(', ')} ${address} runs on ${directory}\n${addresses.map(line => `  listening on ${line}\n`).join('')}Ctrl-C stops it.\n`
    )
}

/** Facts stand beside the name of the part that they come from: `{ event: 'prover', kind: 'pushed', … }`. */
function printEvent({ kind, ...facts }: PeerEvent): void {
  printJsonEvent(kind, 'event' in facts ? { ...facts.event } : facts)
}

/** Round-by-round success is silence; what a person should know is a line. */
function printLine(event: PeerEvent): void {
  if (event.kind === 'hasher')
    process.stdout.write(
      `holdfast: hashing with the ${event.name} hasher${event.reason === undefined ? '' : ` (${event.reason})`}\n`
    )
  if (event.kind === 'error')
    process.stderr.write(
      `holdfast: ${escapeForTerminal(event.error instanceof Error ? event.error.message : String(event.error))}\n`
    )
  if (event.kind === 'prover')
    for (const warning of proverWarnings(event.event)) process.stderr.write(`holdfast: ${escapeForTerminal(warning)}\n`)
  if (event.kind === 'store' || event.kind === 'log')
    process.stdout.write(`holdfast: ${event.kind} ${formatJson(event.event)}\n`)
}

/** A proof that fails costs pay, and often says that the disk is failing. */
function proverWarnings(event: ProverEvent): string[] {
  if (event.kind === 'cannotProve') return [`deal ${event.dealId} cannot be proved: ${event.reason}`]
  if (event.kind === 'provedToLedger')
    return event.refusal === undefined
      ? []
      : [`the ledger refused a proof of deal ${event.dealId} in round ${event.round}: ${event.refusal}`]
  if (event.answer.kind !== 'answer') return []
  return event.answer.value.results
    .filter(({ verdict }) => verdict === 'bad proof')
    .map(({ dealId, reason }) => `the proof of deal ${dealId} in round ${event.round} was bad: ${reason}`)
}
