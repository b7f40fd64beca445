/** The commands of `holdfast`: each is declared in a file of its own; this one only lists them. */
import { Command } from 'commander'
import { creditsCommand } from './credits-command.ts'
import { devnetCommand } from './devnet-command.ts'
import { donorCommands } from './donor-commands.ts'
import { getCommand } from './get-command.ts'
import { keyCommand } from './key-command.ts'
import { ledgerCommand } from './ledger-command.ts'
import { listCommand } from './list-command.ts'
import { networkCommand } from './network-command.ts'
import { putCommand } from './put-command.ts'
import { quoteCommand } from './quote-command.ts'
import { checkReceiptCommand, receiptCommand } from './receipt-commands.ts'
import { referenceCommand } from './reference-command.ts'
import { removeCommand } from './remove-command.ts'
import { repairCommand } from './repair-command.ts'
import { reportsCommand } from './reports-command.ts'
import { startCommand } from './start-command.ts'
import { statusCommand } from './status-command.ts'
import { storeCommand } from './store-command.ts'
import { topUpCommand } from './top-up-command.ts'
import { verifiedCommand } from './verified-command.ts'
import { verifyCommand } from './verify-command.ts'

/** @param signal - ends whatever a command waits for */
export function createProgram(signal: AbortSignal): Command {
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
    repairCommand,
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
  return program
}
