/** Ctrl-C and its relatives as an AbortSignal. */

/** Thrown through whatever was going on when the user ended the program. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly signalName: NodeJS.Signals

  constructor(signalName: NodeJS.Signals) {
    super(`stopped by ${signalName}`)
    this.signalName = signalName
  }
}

const EXIT_CODES: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 }

/** What a shell expects of a program that a signal ended. */
export function exitCodeOf(signalName: NodeJS.Signals): number {
  return EXIT_CODES[signalName] ?? 1
}

/**
 * Aborts on the first signal; a second one ends the process at once, for whoever is in a hurry. A reader of our output
 * who leaves (`| head`) is such a signal too.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  process.stdout.on('error', () => controller.abort(new Interrupted('SIGPIPE')))
  for (const signalName of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signalName, () => {
      if (controller.signal.aborted) process.exit(exitCodeOf(signalName))
      controller.abort(new Interrupted(signalName))
    })
  }
  return controller.signal
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
