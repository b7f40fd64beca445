/** What the commands that read the ledger have in common: where it is read, and how it is shown. */
import { type Address, addressSchema, parseCredits } from '@holdfast/core'
import { type Command, InvalidArgumentError } from 'commander'
import type { LedgerPlace, ReadLedgerOptions } from '../../ledger/read-ledger.ts'
import { escapeForTerminal, printJsonEvent } from '../output.ts'

export interface LedgerOptions extends LedgerPlace {
  readonly json: boolean
}

/** Adds where and how to a command. */
export function withLedgerOptions(command: Command): Command {
  return command
    .option('--directory <path>', 'data directory whose log is read; its daemon may run')
    .option('--network <file>', 'network description; the ledger is read from its host and checked here')
    .option('--json', 'print JSON, amounts as decimal strings of attoFIL', false)
}

/** What to do while the ledger is read from a host that does not answer. */
export function readOptions({ json }: LedgerOptions, signal: AbortSignal): ReadLedgerOptions {
  return {
    signal,
    onUnreachable({ message }) {
      if (json) printJsonEvent('hostUnreachable', { reason: message })
      else process.stderr.write(`holdfast: ${escapeForTerminal(message)}; waiting for it, Ctrl-C ends this\n`)
    }
  }
}

export function parseAddress(text: string): Address {
  const parsed = addressSchema.safeParse(text.toLowerCase())
  if (parsed.success) return parsed.data as Address
  throw new InvalidArgumentError('expected an account: 0x and 40 hex digits')
}

export function parseNatural(text: string): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(number)) return number
  throw new InvalidArgumentError('expected a number from 0 on')
}

/** Credits above 0, such as "12.5", in atto. */
export function parseAmount(text: string): bigint {
  try {
    const amount = parseCredits(text)
    if (amount > 0n) return amount
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('expected a number of credits above 0, such as 12.5')
}
