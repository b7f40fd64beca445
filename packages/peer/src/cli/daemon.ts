/** Runs a peer in the foreground until it is told to stop: what `start` and `network create` end in. */
import { formatCredits, machineClock, type ProverEvent } from '@holdfast/core'
import { awaitDisk } from '../await-disk.ts'
import { systemCodeOf } from '../error.ts'
import { type Peer, type PeerEvent, startPeer } from '../peer.ts'
import { describeAnnounce } from '../roles/announce.ts'
import type { SelfAuditEvent } from '../roles/audit-role.ts'
import { describeStake } from '../roles/keep-stake.ts'
import { createRoundLines, quietLine } from '../views/round-lines.ts'
import { aborted } from './interrupt.ts'
import { escapeForTerminal, formatJson, printJsonEvent } from './output.ts'

export interface DaemonOptions {
  readonly directory: string
  readonly json: boolean
  /** Stops when standard input ends, so that nothing outlives the program that started this. */
  readonly stopWithParent: boolean
}

/** A screen that has said nothing for so long says that the peer lives. */
const QUIET_MS = 60_000

/** What a daemon shows while it runs. */
export interface DaemonScreen {
  event(event: PeerEvent): void
  /** All of its roles work. */
  ready(peer: Peer): void
}

/**
 * Resolves when the peer has stopped. One whose log cannot be written goes on serving what it has, and is started again
 * once its disk takes bytes.
 *
 * @throws what made it stop by itself
 */
export async function runDaemon(
  { directory, json, stopWithParent }: DaemonOptions,
  signal: AbortSignal,
  screen: DaemonScreen = peerScreen(directory, json)
): Promise<void> {
  const orphaned = new AbortController()
  const end = AbortSignal.any([signal, orphaned.signal])
  if (stopWithParent) process.stdin.on('end', () => orphaned.abort(new Error('the parent process has ended'))).resume()
  try {
    while (!end.aborted) await runPeer(directory, end, screen)
  } catch (error) {
    if (error !== end.reason) throw error
  } finally {
    process.stdin.destroy()
  }
}

/** Resolves when the peer has stopped and is to be started again. @throws the signal's reason, or why it cannot go on */
async function runPeer(directory: string, end: AbortSignal, screen: DaemonScreen): Promise<void> {
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined) // also when it comes during the start, which then fails by itself
  await using peer = await startPeer({
    directory,
    signal: end,
    onEvent: screen.event,
    onFailure: failed.reject
  })
  screen.ready(peer)
  try {
    await Promise.race([aborted(end), failed.promise])
  } catch (error) {
    if (end.aborted || systemCodeOf(error) !== 'LOG_POISONED') throw error
    screen.event({ kind: 'error', error })
    await awaitDisk(directory, end)
  }
}

/** Events as they come, and one line for each closed round that concerns this peer. */
export function peerScreen(directory: string, json: boolean): DaemonScreen {
  return {
    event: event => (json ? printEvent(event) : printLine(event)),
    ready(peer) {
      printReady(peer, directory, json)
      if (!json) printRounds(peer)
    }
  }
}

function printReady(peer: Peer, directory: string, json: boolean): void {
  const { address, roles, addresses } = peer
  if (json) printJsonEvent('ready', { pid: process.pid, address, roles, addresses })
  else
    process.stdout.write(
      `holdfast: ${roles.join(', ')} ${address} runs on ${directory}\n${addresses.map(line => `  listening on ${line}\n`).join('')}Ctrl-C stops it. \`holdfast status --directory ${directory}\` says more.\n`
    )
}

/** One line for each closed round that concerns this peer, and now and then one that says that nothing has happened. */
function printRounds({ ledger, address }: Peer): void {
  const lines = createRoundLines(address)
  let saidMs = machineClock.now()
  ledger.subscribe(applied => {
    const closes = applied.events.some(({ kind }) => kind === 'roundClosed')
    const said = lines(ledger.state, applied)
    const quiet = closes && machineClock.now() - saidMs > QUIET_MS ? quietLine(ledger.state, address) : undefined
    for (const line of said.length === 0 && quiet !== undefined ? [quiet] : said) {
      process.stdout.write(`${line}\n`)
      saidMs = machineClock.now()
    }
  })
}

/** Facts stand beside the name of the part that they come from: `{ event: 'prover', kind: 'pushed', … }`. */
function printEvent({ kind, ...facts }: PeerEvent): void {
  printJsonEvent(kind, 'event' in facts ? { ...facts.event } : facts)
}

/** Round-by-round success is one line; what a person should know is another. */
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
  if (event.kind === 'audit') printAudit(event.event)
  if (event.kind === 'announce') process.stderr.write(`holdfast: ${escapeForTerminal(describeAnnounce(event.event))}\n`)
  if (event.kind === 'stake') process.stdout.write(`holdfast: ${describeStake(event.address, event.event)}\n`)
  if (event.kind === 'verifier' && event.event.kind === 'cannotAnswer')
    process.stderr.write(
      `holdfast: somebody demands what deal ${event.event.dealId} was attested by in round ${event.event.round}, and it is not here: stake will be lost\n`
    )
  if (event.kind === 'fork')
    process.stderr.write(`holdfast: the ledger’s host has signed two histories; the proof is in ${event.file}\n`)
  if (event.kind === 'watch' && event.event.kind === 'won')
    process.stdout.write(
      `holdfast: ${event.event.verifier} attested deal ${event.event.dealId} in round ${event.event.round} without having seen it (${event.event.reason}); its stake pays you ${formatCredits(event.event.reward)} credits\n`
    )
  if (event.kind === 'store' || event.kind === 'log')
    process.stdout.write(`holdfast: ${event.kind} ${formatJson(event.event)}\n`)
}

/** Rot is news; that all was read and whole is none. */
function printAudit(event: SelfAuditEvent): void {
  if (event.kind === 'rot')
    process.stderr.write(
      `holdfast: piece ${event.piece} of ${event.deals.length === 1 ? 'deal' : 'deals'} ${event.deals.join(', ')} is not whole: ${event.how}\n`
    )
  if (event.kind === 'healed')
    process.stdout.write(`holdfast: piece ${event.piece} was fetched again from ${event.from} and is whole\n`)
  if (event.kind === 'whole') process.stdout.write(`holdfast: piece ${event.piece} is whole again\n`)
  if (event.kind === 'cannotHeal')
    process.stderr.write(
      `holdfast: piece ${event.piece} cannot be made good yet: ${escapeForTerminal(event.obstacle)}\n`
    )
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
