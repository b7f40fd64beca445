/** `holdfast key`: shows the account of a key, locks it under a passphrase, and brings it back. */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createSigner, lockReference, unlockReference } from '@holdfast/core'
import { Command } from 'commander'
import { dataDirectoryPaths } from '../data-directory.ts'
import { PeerError, systemCodeOf } from '../error.ts'
import { createKey, loadKey, restoreKey } from '../key-file.ts'
import { defaultDirectory } from '../set-up.ts'
import { readSecretFile } from './client-options.ts'
import { printJsonEvent } from './output.ts'

interface Options {
  readonly directory: string
  readonly key?: string
  readonly passphraseFile?: string
  readonly output?: string
  readonly json: boolean
}

export function keyCommand(signal: AbortSignal): Command {
  const common = (command: Command) =>
    command
      .option('--directory <path>', 'data directory whose key is meant', defaultDirectory())
      .option('--key <file>', 'a key file instead')
      .option('--json', 'print JSON', false)
      .exitOverride()
  const show = common(new Command('show').description('The account of a key.')).action((options: Options) =>
    run(options, async file => ({ address: createSigner((await loadKey(file)).raw).address, file }))
  )
  const create = common(new Command('create').description('Make a key: an account of its own.')).action(
    (options: Options) =>
      run(options, async file => {
        await makeDirectoryOf(file)
        return { address: createSigner((await createKey(file)).raw).address, file }
      })
  )
  const exporting = common(
    new Command('export').description('Lock the key under a passphrase, as an age file: a copy that may lie around.')
  )
    .requiredOption('--passphrase-file <file>', 'its first line is the passphrase')
    .option('--output <file>', 'where the copy goes; default: printed')
    .action((options: Options) => runExport(options, signal))
  const importing = common(new Command('import').description('Bring a locked key back to where there is none.'))
    .argument('<file>', 'what export has made')
    .requiredOption('--passphrase-file <file>', 'its first line is the passphrase')
    .action((file: string, options: Options) => runImport(file, options, signal))
  const command = new Command('key').description('The key of a peer or an account.')
  for (const subcommand of [show, create, exporting, importing]) command.addCommand(subcommand)
  return command
}

function fileOf({ key, directory }: Options): string {
  return key ?? dataDirectoryPaths(directory).keyFile
}

async function run(
  options: Options,
  work: (file: string) => Promise<{ address: string; file: string }>
): Promise<void> {
  const { address, file } = await work(fileOf(options))
  if (options.json) printJsonEvent('key', { address, file })
  else process.stdout.write(`${address}\n`)
}

async function runExport(options: Options, signal: AbortSignal): Promise<void> {
  const { raw } = await loadKey(fileOf(options))
  const locked = await lockReference(
    Buffer.from(raw).toString('hex'),
    { passphrase: await passphraseOf(options) },
    { random: sizeBytes => new Uint8Array(randomBytes(sizeBytes)), signal }
  )
  const { output, json } = options
  if (output === undefined) {
    if (json) printJsonEvent('locked', { locked })
    else process.stdout.write(locked)
    return
  }
  await writeFile(output, locked, { mode: 0o600, flag: 'wx' }).catch((cause: unknown) => {
    throw new PeerError(
      'OUTPUT_FAILED',
      `${output} cannot be written (${systemCodeOf(cause)}): choose a file that does not exist.`,
      { output },
      { cause }
    )
  })
  if (json) printJsonEvent('locked', { output })
  else process.stdout.write(`The key is locked in ${output}. Without the passphrase nobody opens it, you included.\n`)
}

async function runImport(file: string, options: Options, signal: AbortSignal): Promise<void> {
  const opened = await unlockReference(
    await readSecretFile(file),
    { passphrase: await passphraseOf(options) },
    { signal }
  )
  if (!opened.ok) throw new PeerError('KEY_LOCKED', `${file} does not open: ${opened.reason}.`, { file })
  const target = fileOf(options)
  await makeDirectoryOf(target)
  const { raw } = await restoreKey(target, opened.text)
  const { address } = createSigner(raw)
  if (options.json) printJsonEvent('key', { address, file: target })
  else process.stdout.write(`${address} is back in ${target}\n`)
}

/** For its owner alone, as a data directory is. */
async function makeDirectoryOf(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
}

async function passphraseOf({ passphraseFile }: Options): Promise<string> {
  const [passphrase = ''] = (await readSecretFile(passphraseFile!)).split(/\r?\n/)
  if (passphrase !== '') return passphrase
  throw new PeerError('OPTION_INVALID', `${passphraseFile} is empty: its first line must be the passphrase.`)
}
