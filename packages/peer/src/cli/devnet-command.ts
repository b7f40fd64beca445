/** `holdfast devnet`: the whole network on this machine, and the life of one file in it. */
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { createScreen } from '../devnet/screen.ts'
import { runDevnetStory } from '../devnet/story.ts'

interface Options {
  readonly json: boolean
  readonly roundMs: number
  readonly directory?: string
}

const ROUND_MS_DEFAULT = 4_000
/** Below this, a busy machine cannot prove, attest and sync within a round. */
const ROUND_MS_MIN = 1_500

export function devnetCommand(signal: AbortSignal): Command {
  return new Command('devnet')
    .description(
      'Run a network of separate processes on loopback: a ledger host, four providers, a verifier. Store PATH on three of them, watch it proved and paid, kill two providers, read it back.'
    )
    .argument('[path]', "file or directory to store; default: this repository's packages/")
    .option('--json', 'print one event a line', false)
    .option('--round-ms <ms>', 'length of a round', parseRoundMs, ROUND_MS_DEFAULT)
    .option(
      '--directory <path>',
      'keep data directories here; default: a temporary directory that is removed at the end'
    )
    .action(async (path: string | undefined, { json, roundMs, directory }: Options) => {
      // npm runs scripts in the project's root; a relative PATH is meant from where the user stands.
      const caller = process.env.HOLDFAST_CALLER_DIRECTORY ?? process.cwd()
      await runDevnetStory({
        path: path === undefined ? repositoryPackages() : resolve(caller, path),
        // The default path is a workspace under development: what was installed and built there is not content.
        ignore: relativePath => path === undefined && /(^|\/)(node_modules|dist)$/.test(relativePath),
        directory: directory === undefined ? undefined : resolve(caller, directory),
        roundMs,
        staysUp: process.stdout.isTTY === true && !json,
        screen: createScreen(json),
        signal
      })
    })
}

function repositoryPackages(): string {
  return join(fileURLToPath(new URL('.', import.meta.url)), '..', '..', '..')
}

function parseRoundMs(text: string): number {
  const ms = Number(text)
  if (!Number.isSafeInteger(ms) || ms < ROUND_MS_MIN)
    throw new InvalidArgumentError(`expected milliseconds, at least ${ROUND_MS_MIN}`)
  return ms
}
