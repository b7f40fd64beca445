/** What every command of a client is told: the network, who pays, and how to print. */
import { readFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import { type Client, createClient } from '../client.ts'
import { PeerError, systemCodeOf } from '../error.ts'
import { escapeForTerminal, printJsonEvent } from './output.ts'

export interface ClientCommandOptions {
  readonly network: string
  readonly key?: string
  readonly state?: string
  readonly json: boolean
}

/** A reference is longer than any CID, and a locked one a few kilobytes. */
const REFERENCE_FILE_SIZE_BYTES_MAX = 64 * 1024

/** @param key - whether somebody has to pay */
export function withClientOptions(command: Command, key: 'required' | 'none'): Command {
  command.requiredOption('--network <file>', 'network description (network.json)')
  if (key === 'required') {
    command
      .requiredOption('--key <file>', 'key file of the account that pays')
      .option(
        '--state <directory>',
        'where the client keeps what it remembers and what waits to be stored (default: KEY.state)'
      )
  }
  return command.option('--json', 'print one event a line', false)
}

/** Opens the client of a command, which says when it has to wait for the host. */
export function openCommandClient(
  { network, key, state, json }: ClientCommandOptions,
  signal: AbortSignal
): Promise<Client> {
  return createClient({
    network,
    ...(key !== undefined && { key }),
    ...(state !== undefined && { stateDirectory: state }),
    signal,
    onUnreachable({ message }) {
      if (json) printJsonEvent('hostUnreachable', { reason: message })
      else process.stderr.write(`holdfast: ${escapeForTerminal(message)}; waiting for it, Ctrl-C ends this\n`)
    }
  })
}

/** How the argument is explained that `readName` reads. */
export const NAME_ARGUMENT = 'reference or root CID, with a path behind it for one file; @FILE reads it from a file'

/**
 * A reference is a secret, and other users of a machine see what commands are given: `@FILE` reads it from a file.
 *
 * @throws {PeerError} `PATH_MISSING`, `PATH_UNREADABLE`
 */
export async function readName(argument: string): Promise<string> {
  if (!argument.startsWith('@')) return argument
  return (await readSecretFile(argument.slice(1))).trim()
}

/** @throws {PeerError} `PATH_MISSING`, `PATH_UNREADABLE` */
export async function readSecretFile(path: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8')
    if (text.length <= REFERENCE_FILE_SIZE_BYTES_MAX) return text
  } catch (cause) {
    const code = systemCodeOf(cause)
    const missing = code === 'ENOENT'
    throw new PeerError(
      missing ? 'PATH_MISSING' : 'PATH_UNREADABLE',
      missing ? `${path} does not exist` : `${path} cannot be read (${code})`,
      { path },
      { cause }
    )
  }
  throw new PeerError('PATH_UNREADABLE', `${path} is too long for what it should hold`, { path })
}

/** A number of at least `least`. */
export function parseWhole(least: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value
    throw new InvalidArgumentError(`expected a number of at least ${least}`)
  }
}
