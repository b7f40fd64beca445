/** `holdfast reference`: locks references so that they can lie around, and opens them again. */
import { randomBytes } from 'node:crypto'
import {
  formatRepairReference,
  lockReference,
  parseObjectName,
  parseRepairName,
  type ReferenceLock,
  unlockReference
} from '@holdfast/core'
import { Command } from 'commander'
import { PeerError } from '../error.ts'
import { NAME_ARGUMENT, readName, readSecretFile } from './client-options.ts'
import { printJsonEvent } from './output.ts'

interface ExportOptions {
  readonly passphraseFile?: string
  readonly recipient?: readonly string[]
  readonly json: boolean
}

interface ImportOptions {
  readonly passphraseFile?: string
  readonly identityFile?: string
  readonly json: boolean
}

export function referenceCommand(signal: AbortSignal): Command {
  const reference = new Command('reference').description('Lock references of private objects, and open them again.')
  reference
    .command('export')
    .description(
      'Lock a reference under a passphrase or for somebody with an age key, as an age file that age itself opens too.'
    )
    .argument('<reference>', NAME_ARGUMENT)
    .option('--passphrase-file <file>', 'its first line is the passphrase')
    .option('--recipient <key...>', 'public keys of age (age1…) that open it')
    .option('--json', 'print one event a line', false)
    .exitOverride()
    .action((name: string, options: ExportOptions) => runExport(name, options, signal))
  reference
    .command('import')
    .description('Open a locked reference, which export has printed, and print it.')
    .argument('<file>', 'what export has printed')
    .option('--passphrase-file <file>', 'its first line is the passphrase')
    .option('--identity-file <file>', 'holds an AGE-SECRET-KEY-1…')
    .option('--json', 'print one event a line', false)
    .exitOverride()
    .action((file: string, options: ImportOptions) => runImport(file, options, signal))
  reference
    .command('repair')
    .description('Print the repair reference of an object: who has it can make lost pieces again, and read nothing.')
    .argument('<reference>', NAME_ARGUMENT)
    .option('--json', 'print one event a line', false)
    .exitOverride()
    .action((name: string, options: { readonly json: boolean }) => runRepair(name, options))
  return reference
}

async function runRepair(argument: string, { json }: { readonly json: boolean }): Promise<void> {
  const repairReference = formatRepairReference(parseRepairName(await readName(argument)))
  if (json) printJsonEvent('repairReference', { repairReference })
  else process.stdout.write(`${repairReference}\n`)
}

async function runExport(argument: string, options: ExportOptions, signal: AbortSignal): Promise<void> {
  const name = await readName(argument)
  parseObjectName(name) // a reference that is misspelled is not worth locking
  const locked = await lockReference(name, await lockOf(options), {
    random: sizeBytes => new Uint8Array(randomBytes(sizeBytes)),
    signal
  })
  if (options.json) printJsonEvent('locked', { locked })
  else process.stdout.write(locked)
}

async function lockOf({ passphraseFile, recipient }: ExportOptions): Promise<ReferenceLock> {
  if (recipient !== undefined && passphraseFile === undefined) return { recipients: recipient }
  if (passphraseFile !== undefined && recipient === undefined)
    return { passphrase: await readPassphrase(passphraseFile) }
  throw new PeerError('OPTION_INVALID', 'Say how to lock it: with --passphrase-file or with --recipient.')
}

async function runImport(file: string, options: ImportOptions, signal: AbortSignal): Promise<void> {
  const { passphraseFile, identityFile, json } = options
  if ((passphraseFile === undefined) === (identityFile === undefined))
    throw new PeerError('OPTION_INVALID', 'Say what opens it: --passphrase-file or --identity-file.')
  const key =
    passphraseFile === undefined
      ? { identity: identityIn(await readSecretFile(identityFile!)) }
      : { passphrase: await readPassphrase(passphraseFile) }
  const verdict = await unlockReference(await readSecretFile(file), key, { signal })
  if (!verdict.ok) throw new PeerError('LOCKED', `${file} stays locked: ${verdict.reason}`, { reason: verdict.reason })
  const reference = verdict.text.trim()
  if (json) printJsonEvent('reference', { reference })
  else process.stdout.write(`${reference}\n`)
}

async function readPassphrase(path: string): Promise<string> {
  const [line = ''] = (await readSecretFile(path)).split(/\r?\n/)
  if (line === '') throw new PeerError('OPTION_INVALID', `The first line of ${path} is empty: it is the passphrase.`)
  return line
}

/** As age writes such files: comments, then the key. */
function identityIn(text: string): string {
  return text.split(/\r?\n/).find(line => /^AGE-SECRET-KEY-1/i.test(line)) ?? text.trim()
}
