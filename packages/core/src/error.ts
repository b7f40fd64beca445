/**
 * The one error class of this package.
 *
 * `code` is for programs, `message` for people and says what to do next, `details` holds the facts. Mistakes of another
 * peer are values, not errors; see `Answer` and the verdicts.
 */
export class CoreError<Code extends string = string> extends Error {
  override readonly name = 'CoreError'
  readonly code: Code
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: Code, message: string, details: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.details = details
  }
}
