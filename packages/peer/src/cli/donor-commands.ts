/** `holdfast deals | earnings | ask | deny | doctor`: what a donor asks and tells its running daemon. */

import { machineClock } from '@holdfast/core'
import { Command, InvalidArgumentError } from 'commander'
import type { z } from 'zod'
import { examine } from '../doctor/examine.ts'
import type { Finding } from '../doctor/finding.ts'
import { PeerError, systemCodeOf } from '../error.ts'
import { type ApiClient, connectToDaemon, type RouteShape } from '../http/api-client.ts'
import {
  addDenyShape,
  askShape,
  dealsShape,
  denyShape,
  earningsShape,
  removeDenyShape,
  setAskShape
} from '../http/routes/donor-routes.ts'
import { doctorShape, statusShape } from '../http/routes/status-routes.ts'
import { createNode } from '../node.ts'
import { chooseNodeHasher } from '../node-hasher.ts'
import { defaultDirectory } from '../set-up.ts'
import { measureDirectories } from '../storage/measure-directories.ts'
import { FLOOR_DEFAULT } from '../storage/piece-store.ts'
import { showAsk, showEarnings, showFindings, showPeer } from './donor-screens.ts'
import { parseNatural } from './ledger/options.ts'
import { showDeals } from './ledger/show.ts'
import { formatJson } from './output.ts'

interface Options {
  readonly directory: string
  readonly json: boolean
}

/** @returns the commands; each ends when the signal aborts */
export function donorCommands(signal: AbortSignal): Command[] {
  return [
    donor('deals', 'The deals that this provider keeps: their money, their rounds, what they owe.').action(
      (options: Options) => print(options, signal, dealsShape, {}, ({ deals }) => showDeals(deals.map(withAbsent)))
    ),
    donor(
      'earnings',
      'What every credit was for, the rounds with the reason of each that was not paid, and what tomorrow can bring.'
    )
      .option('--rounds <n>', 'how many rounds', parseNatural, 24)
      .action((options: Options & { rounds: number }) =>
        print(options, signal, earningsShape, { rounds: options.rounds }, showEarnings)
      ),
    donor('ask', 'What this provider offers; with options, change it.')
      .option('--price <atto>', 'price of a leaf (32 bytes) for a round, in attoFIL', parseAtto)
      .option('--region <name>', 'where the disk stands')
      .action((options: Options & { price?: bigint; region?: string }) => ask(options, signal)),
    donor('deny', 'Refuse content: a root CID or a PieceCID. Without one, show what is refused.')
      .argument('[cid]', 'what to refuse')
      .option('--remove', 'take it off the list', false)
      .action((cid: string | undefined, options: Options & { remove: boolean }) => deny(cid, options, signal)),
    donor('doctor', 'Examine key, config, disk, ports, clock, ledger and reach: what is wrong, and what to do.').action(
      (options: Options) => doctor(options, signal)
    )
  ]
}

/** `holdfast status` without a reference. */
export async function printPeerStatus(options: Options, signal: AbortSignal): Promise<void> {
  await print(options, signal, statusShape, {}, showPeer)
}

function donor(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--directory <path>', 'data directory of the daemon', defaultDirectory())
    .option('--json', 'print JSON, amounts as decimal strings of attoFIL', false)
}

async function print<Input extends z.ZodType, Answer extends z.ZodType>(
  options: Options,
  signal: AbortSignal,
  route: RouteShape<Input, Answer>,
  input: z.input<Input>,
  show: (answer: z.output<Answer>) => string
): Promise<void> {
  const daemon = await connectToDaemon(options.directory)
  const answer = await daemon.call(route, input, { signal })
  process.stdout.write(options.json ? `${formatJson(answer)}\n` : show(answer))
}

async function ask(options: Options & { price?: bigint; region?: string }, signal: AbortSignal): Promise<void> {
  const { price, region } = options
  if (price === undefined && region === undefined) return await print(options, signal, askShape, {}, showAsk)
  const wishes = {
    ...(price !== undefined && { pricePerLeafRound: `${price}` }),
    ...(region !== undefined && { region })
  }
  return await print(options, signal, setAskShape, wishes, showAsk)
}

async function deny(
  cid: string | undefined,
  options: Options & { remove: boolean },
  signal: AbortSignal
): Promise<void> {
  const show = ({ denied }: { denied: string[] }) =>
    denied.length === 0 ? 'Nothing is refused.\n' : denied.map(line => `${line}\n`).join('')
  if (cid === undefined) await print(options, signal, denyShape, {}, show)
  else await print(options, signal, options.remove ? removeDenyShape : addDenyShape, { cid }, show)
}

/** Asks the daemon, and examines the directory itself when none runs. */
async function doctor(options: Options, signal: AbortSignal): Promise<void> {
  const findings = await examineBesideDaemon(options.directory, signal).catch((error: unknown) => {
    if (systemCodeOf(error) === 'DAEMON_MISSING') return examineAlone(options.directory, signal)
    throw error
  })
  process.stdout.write(options.json ? `${formatJson({ findings })}\n` : showFindings(findings))
  if (findings.some(({ status }) => status === 'problem')) {
    throw new PeerError('NOT_WELL', 'Something is wrong with this peer; see above.')
  }
}

async function examineBesideDaemon(directory: string, signal: AbortSignal): Promise<readonly Finding[]> {
  const daemon: ApiClient = await connectToDaemon(directory)
  const { findings } = await daemon.call(doctorShape, {}, { signal })
  return findings.map(({ advice, ...finding }) => ({ ...finding, ...(advice !== undefined && { advice }) }))
}

async function examineAlone(directory: string, signal: AbortSignal): Promise<Finding[]> {
  let hasher: { readonly name: string; readonly reason?: string } = { name: 'portable' }
  await chooseNodeHasher((name, reason) => {
    hasher = { name, ...(reason !== undefined && { reason }) }
  })
  return await examine({
    directory,
    clock: machineClock,
    hasher,
    usedBytes: await measureDirectories(directory),
    reserveBytes: FLOOR_DEFAULT.bytes,
    async openNode(privateKey, { listen, announce }) {
      const node = await createNode({ privateKey, listen, ...(announce !== undefined && { announce }) })
      await node.start()
      return node
    },
    signal
  })
}

function withAbsent<Deal extends { fundedRounds?: number | undefined; endsAfterRound?: number | undefined }>(
  deal: Deal
) {
  return { ...deal, fundedRounds: deal.fundedRounds, endsAfterRound: deal.endsAfterRound }
}

function parseAtto(text: string): bigint {
  if (/^\d{1,38}$/.test(text)) return BigInt(text)
  throw new InvalidArgumentError('expected attoFIL: digits only, such as 100000')
}
