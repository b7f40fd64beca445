/** `holdfast credits`: what an account has, and the reason of every credit that it got or did not get. */
import { type Address, type CreditLine, createSigner, creditLinesOf } from '@holdfast/core'
import { Command } from 'commander'
import { dataDirectoryPaths } from '../data-directory.ts'
import { PeerError } from '../error.ts'
import { loadKey } from '../key-file.ts'
import { readLedger } from '../ledger/read-ledger.ts'
import { viewAccount } from '../views/ledger-views.ts'
import { type LedgerOptions, parseAddress, parseNatural, readOptions, withLedgerOptions } from './ledger/options.ts'
import { showAccount, showCreditLines } from './ledger/show.ts'
import { formatJson } from './output.ts'
import { sendCommand } from './send-command.ts'

const LINES_DEFAULT = 20

interface Options extends LedgerOptions {
  readonly account?: Address
  readonly key?: string
  readonly last: number
  readonly all: boolean
}

export function creditsCommand(signal: AbortSignal): Command {
  return withLedgerOptions(
    new Command('credits').description(
      'What an account has, and the reason of every credit that it got, spent, or did not get.'
    )
  )
    .option('--account <address>', 'the account; default is that of --key or of --directory', parseAddress)
    .option('--key <file>', 'key file of the account')
    .option('--last <n>', 'how many lines of its history', parseNatural, LINES_DEFAULT)
    .option('--all', 'the whole history', false)
    .action((options: Options) => run(options, signal))
    .addCommand(sendCommand(signal))
    .enablePositionalOptions() // what stands behind `send` is meant for it
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const address = await accountOf(options)
  const lines: CreditLine[] = []
  const { state } = await readLedger(options, {
    ...readOptions(options, signal),
    onEntry(applied, now) {
      lines.push(...creditLinesOf(now, applied, address))
      if (!options.all && lines.length > 2 * options.last) lines.splice(0, lines.length - options.last)
    }
  })
  const account = viewAccount(state, address)
  const history = options.all ? lines : lines.slice(Math.max(0, lines.length - options.last))
  if (options.json) {
    process.stdout.write(`${formatJson({ account, history })}\n`)
    return
  }
  process.stdout.write(`${showAccount(account)}\n`)
  process.stdout.write(history.length === 0 ? 'Nothing has moved yet.\n' : showCreditLines(history))
}

async function accountOf({ account, key, directory }: Options): Promise<Address> {
  if (account !== undefined) return account
  const file = key ?? (directory === undefined ? undefined : dataDirectoryPaths(directory).keyFile)
  if (file === undefined)
    throw new PeerError('OPTION_INVALID', 'Say whose credits: --account with an address, or --key with a key file.')
  return createSigner((await loadKey(file)).raw).address
}
