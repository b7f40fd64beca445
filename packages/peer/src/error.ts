/**
 * The one error class of this package.
 *
 * `code` is for programs, `message` for people and says what to do next, `details` holds the facts. Mistakes of another
 * peer are values, not errors.
 */
export class PeerError<Code extends string = string> extends Error {
  override readonly name = 'PeerError'
  readonly code: Code
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: Code, message: string, details: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.details = details
  }
}

/** The code of an error of Node's, of Level's or of ours (`ENOSPC`, `LEVEL_LOCKED`), or undefined for anything else. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
