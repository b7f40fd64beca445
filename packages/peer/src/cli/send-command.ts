/** `holdfast credits send`: moves credits to another account. */
import { type Address, createSigner, statementDigestOf } from '@holdfast/core'
import { Command } from 'commander'
import { PeerError } from '../error.ts'
import { loadKey } from '../key-file.ts'
import { formatAmount } from '../units.ts'
import { openCommandClient } from './client-options.ts'
import { parseAddress, parseAmount } from './ledger/options.ts'
import { printJsonEvent } from './output.ts'

interface Options {
  readonly network: string
  readonly key: string
  readonly json: boolean
}

export function sendCommand(signal: AbortSignal): Command {
  return new Command('send')
    .description('Send credits to another account.')
    .argument('<address>', 'who gets them: 0x and 40 hex digits', parseAddress)
    .argument('<credits>', 'how many, such as 12.5', parseAmount)
    .requiredOption('--network <file>', 'network description (network.json)')
    .requiredOption('--key <file>', 'key file of the account that sends')
    .option('--json', 'print JSON', false)
    .action((to: Address, amount: bigint, options: Options) => run(to, amount, options, signal))
    .exitOverride()
}

async function run(to: Address, amount: bigint, options: Options, signal: AbortSignal): Promise<void> {
  const signer = createSigner((await loadKey(options.key)).raw)
  await using client = await openCommandClient(options, signal)
  const ledger = await client.ledger({ signal })
  const from = signer.address
  const nonce = ledger.state.accounts.get(from)?.nonce ?? 0
  const statement = { from, to, amount, nonce }
  const signature = signer.sign(statementDigestOf(ledger.state)('Transfer', statement))
  const receipt = await ledger.submit({ kind: 'Transfer', statement, signature }, { signal })
  if (!receipt.ok)
    throw new PeerError(receipt.refusal.code, `Nothing was sent: ${receipt.refusal.message}.`, receipt.refusal.details)
  const left = ledger.state.accounts.get(from)?.free ?? 0n
  if (options.json) printJsonEvent('sent', { from, to, amount, sequence: receipt.sequence, left })
  else
    process.stdout.write(
      `Sent ${formatAmount(amount)} credits to ${to} (entry ${receipt.sequence}); ${formatAmount(left)} are left.\n`
    )
}
