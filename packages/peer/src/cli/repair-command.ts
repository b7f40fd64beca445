/** `holdfast repair`: makes private pieces again that their providers say they lost. */
import type { RepairEvent, RepairResult } from '@holdfast/core'
import { Command } from 'commander'
import type { Client } from '../client.ts'
import { PeerError } from '../error.ts'
import { formatSize } from '../units.ts'
import { openByteProgress } from './byte-progress.ts'
import { type ClientCommandOptions, openCommandClient, readName, withClientOptions } from './client-options.ts'
import { escapeForTerminal, printJsonEvent } from './output.ts'
import { shortAddress } from './table.ts'

interface Options extends ClientCommandOptions {
  readonly all: boolean
  readonly watch: boolean
}

/** Something is lost that could not be made again now. */
const EXIT_NOT_REPAIRED = 1

export function repairCommand(signal: AbortSignal): Command {
  const command = new Command('repair')
    .description(
      'Ask the providers of private objects what they lost, make it again from another replica, and send it to them. Takes no reference that can read: a repair reference will do.'
    )
    .argument('[reference]', 'reference or repair reference (hfr1…) of one object; @FILE reads it from a file')
    .option('--all', "everything that your account's list names, and the list itself", false)
    .option('--watch', 'go on, and ask again in every round, until it is interrupted', false)
  return withClientOptions(command, 'required').action((name: string | undefined, options: Options) =>
    run(name, options, signal)
  )
}

async function run(argument: string | undefined, options: Options, signal: AbortSignal): Promise<void> {
  const { all, watch } = options
  if ((argument === undefined) !== all)
    throw new PeerError('OPTION_INVALID', 'Say what to repair: a reference, or --all.')
  const name = argument === undefined ? undefined : await readName(argument)
  await using client = await openCommandClient(options, signal)
  for (;;) {
    const result = await repairOnce(client, name, options, signal)
    if (!watch) {
      if (result.failed.length > 0) process.exitCode = EXIT_NOT_REPAIRED
      return
    }
    await nextRound(client, signal)
  }
}

async function repairOnce(
  client: Client,
  name: string | undefined,
  { json, watch }: Options,
  signal: AbortSignal
): Promise<RepairResult> {
  using progress = openByteProgress('sent', json)
  const result = await client.repair(name, {
    signal,
    onProgress(event) {
      if (event.kind === 'catchingUp') return
      if (event.kind === 'progress') progress.report({ doneBytes: event.sentBytes, totalBytes: event.rawSize })
      else if (json) printJsonEvent(event.kind, { ...event, kind: undefined })
      else progress.say(lineOf(event))
    }
  })
  const { repaired, failed } = result
  if (json) printJsonEvent('checked', { repaired: repaired.length, failed: failed.length })
  else if (repaired.length + failed.length > 0)
    progress.say(`${repaired.length} of ${repaired.length + failed.length} lost pieces were made again`)
  else if (!watch) progress.say('No provider that answers says that it lost anything.')
  return result
}

function lineOf(event: Exclude<RepairEvent, { kind: 'progress' }>): string {
  const { piece, rawSize, dealId, provider } = event
  const what = `piece ${piece} (${formatSize(rawSize)}, deal ${dealId} with ${shortAddress(provider)})`
  if (event.kind === 'repairing') return `${what} is made again from the replica of ${shortAddress(event.from)}`
  if (event.kind === 'repaired') return `  it is with its provider again`
  const reason = escapeForTerminal(event.reason)
  if (event.kind === 'sourceFailed') return `  ${shortAddress(event.from)} failed: ${reason}`
  return `! ${what} is still lost: ${reason}`
}

/** Resolves when a round opens; in each of them providers look at what they have. */
async function nextRound(client: Client, signal: AbortSignal): Promise<void> {
  const ledger = await client.ledger({ signal })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const fail = () => reject(signal.reason)
  const end = ledger.subscribe(({ events }) => {
    if (events.some(({ kind }) => kind === 'roundOpened')) resolve()
  })
  signal.addEventListener('abort', fail, { once: true })
  try {
    signal.throwIfAborted()
    await promise
  } finally {
    end()
    signal.removeEventListener('abort', fail)
  }
}
