/** Facts that come with each code of {@link ProofError}. */
export interface ProofErrorDetails {
  /** The source of a piece ended before the piece did. */
  SOURCE_TOO_SHORT: { offset: number; expected: number; got: number }
  /** `@chainsafe/hashtree` is not installed, or has no build for this machine. */
  NATIVE_HASHER_UNAVAILABLE: { platform: string }
  /** Bytes that were to be compacted are not in fr32 form: the top two bits of a leaf are set. */
  NOT_FR32: { offset: number }
}

export type ProofErrorCode = keyof ProofErrorDetails

/**
 * What goes wrong around the arithmetic: sources that end early, a missing native build.
 *
 * Callers' mistakes are `TypeError` and `RangeError`; the other side's mistakes are verdicts. Neither is a ProofError.
 */
export class ProofError<Code extends ProofErrorCode = ProofErrorCode> extends Error {
  override readonly name = 'ProofError'
  readonly code: Code
  readonly details: ProofErrorDetails[Code]

  constructor(code: Code, details: ProofErrorDetails[Code], message: string, options?: { cause: unknown }) {
    super(message, options)
    this.code = code
    this.details = details
  }
}
