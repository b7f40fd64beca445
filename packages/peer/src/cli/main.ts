#!/usr/bin/env node
/** `holdfast`: runs one command, and ends with a code that says how it went. */
import { CommanderError } from 'commander'
import { systemCodeOf } from '../error.ts'
import { abortOnSignals, exitCodeOf, Interrupted } from './interrupt.ts'
import { printFailure } from './output.ts'
import { createProgram } from './program.ts'

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
const program = createProgram(signal)

try {
  await program.parseAsync()
} catch (error) {
  const said = error instanceof CommanderError || error instanceof Interrupted
  if (!said) printFailure(error, process.argv.includes('--json'))
  process.exitCode = exitCodeFor(error)
}
