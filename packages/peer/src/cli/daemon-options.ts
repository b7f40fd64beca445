/** What every command that runs a daemon is told. */
import type { Command } from 'commander'
import { DEFAULT_CONFIG } from '../config.ts'
import { defaultDirectory } from '../set-up.ts'

export interface DaemonOptions {
  readonly directory: string
  readonly network?: string
  readonly listen?: readonly string[]
  readonly json: boolean
  readonly stopWithParent: boolean
}

export function withDaemonOptions(command: Command): Command {
  return command
    .option('--directory <path>', 'data directory', defaultDirectory())
    .option('--network <source>', 'first time: a network.json, its web address, or the multiaddr of a member')
    .option('--listen <multiaddr...>', `first time: where to listen (default: ${DEFAULT_CONFIG.listen.join(' ')})`)
    .option('--json', 'print one event a line', false)
    .option(
      '--stop-with-parent',
      'stop when standard input ends, so that nothing outlives the program that started this',
      false
    )
}
