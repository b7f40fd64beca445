#!/usr/bin/env node
/** `holdfast`: the program's commands. Each is declared in a file of its own; this one only lists them. */
import { Command, CommanderError } from 'commander'
import { systemCodeOf } from '../error.ts'
import { creditsCommand } from './credits-command.ts'
import { devnetCommand } from './devnet-command.ts'
import { donorCommands } from './donor-commands.ts'
import { getCommand } from './get-command.ts'
import { abortOnSignals, exitCodeOf, Interrupted } from './interrupt.ts'
import { keyCommand } from './key-command.ts'
import { ledgerCommand } from './ledger-command.ts'
import { listCommand } from './list-command.ts'
import { networkCommand } from './network-command.ts'
import { printFailure } from './output.ts'
import { putCommand } from './put-command.ts'
import { quoteCommand } from './quote-command.ts'
import { checkReceiptCommand, receiptCommand } from './receipt-commands.ts'
import { referenceCommand } from './reference-command.ts'
import { removeCommand } from './remove-command.ts'
import { reportsCommand } from './reports-command.ts'
import { startCommand } from './start-command.ts'
import { statusCommand } from './status-command.ts'
import { storeCommand } from './store-command.ts'
import { topUpCommand } from './top-up-command.ts'
import { verifiedCommand } from './verified-command.ts'
import { verifyCommand } from './verify-command.ts'

/** A command was given something that it cannot work with; nothing was done. */
const EXIT_USAGE = 2
const USAGE_CODES = new Set([
  'PATH_MISSING',
  'PATH_UNREADABLE',
  'PATH_SYMLINK_LOOP',
  'PATH_NOT_A_FILE',
  'NOTHING_TO_STORE',
  'CID_INVALID',
  'REFERENCE_INVALID',
  'RECIPIENT_INVALID',
  'NOT_A_FILE',
  'PATH_NOT_FOUND',
  'CAR_INVALID',
  'UNSAFE_NAME',
  'OPTION_INVALID',
  'NETWORK_MISSING',
  'NETWORK_INVALID',
  'CONFIG_INVALID',
  'KEY_FILE_MISSING',
  'KEY_FILE_INVALID',
  'DIRECTORY_NOT_EMPTY',
  'DIRECTORY_MISSING',
  'NETWORK_DIFFERS',
  'NOT_A_VERIFIER',
  'STAKE_TOO_SMALL',
  'NETWORK_UNREACHABLE',
  'ALREADY_SET_UP',
  'NOT_ENOUGH_ROOM',
  'SUPPLY_TOO_SMALL',
  'KEY_FILE_EXISTS',
  'KEY_LOCKED',
  'API_ADDRESS_INVALID',
  'TARGET_NOT_EMPTY'
])

function exitCodeFor(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
  if (error instanceof Interrupted) return exitCodeOf(error.signalName)
  return USAGE_CODES.has(systemCodeOf(error) ?? '') ? EXIT_USAGE : 1
}

const signal = abortOnSignals()
const program = new Command('holdfast')
  .description(
    'A decentralized storage network: store files on n providers, prove them every round, pay for what was proved.'
  )
  .exitOverride()
  .enablePositionalOptions() // `credits send --key` is meant for `send`, not for `credits`
for (const command of [
  devnetCommand,
  startCommand,
  verifyCommand,
  putCommand,
  getCommand,
  quoteCommand,
  listCommand,
  statusCommand,
  removeCommand,
  topUpCommand,
  referenceCommand,
  ledgerCommand,
  creditsCommand,
  storeCommand,
  networkCommand,
  keyCommand,
  receiptCommand,
  checkReceiptCommand,
  reportsCommand,
  verifiedCommand
])
  program.addCommand(command(signal).exitOverride())
for (const command of donorCommands(signal)) program.addCommand(command.exitOverride())

try {
  await program.parseAsync()
} catch (error) {
  const said = error instanceof CommanderError || error instanceof Interrupted
  if (!said) printFailure(error, process.argv.includes('--json'))
  process.exitCode = exitCodeFor(error)
}
