import { expectBytes, expectInteger } from './arguments.ts'
import { ProofError } from './errors.ts'
import { compactFr32, expandFr32 } from './fr32.ts'
import { QUAD_PADDED_SIZE_BYTES, QUAD_RAW_SIZE_BYTES, quadCountOf } from './sizes.ts'
import { concat, createUnitCutter } from './unit-cutter.ts'

/** fr32 over a stream: chunks of any size in, the bytes that they complete out. */
export interface Fr32Stream {
  /** Takes the next chunk. @returns what can be said by now, possibly nothing */
  update(bytes: Uint8Array): Uint8Array
  /** Ends the stream; afterwards it begins anew. @returns what was still held back */
  finish(): Uint8Array
}

/** Creates a stream from raw to expanded bytes: whole quads come out, the last one filled with zeros. */
export function createExpander(): Fr32Stream {
  let out: Uint8Array[] = []
  function expand(raw: Uint8Array): void {
    const expanded = new Uint8Array(quadCountOf(raw.length) * QUAD_PADDED_SIZE_BYTES)
    expandFr32(raw, expanded)
    out.push(expanded)
  }
  const cutter = createUnitCutter(QUAD_RAW_SIZE_BYTES, expand)

  function takeOut(): Uint8Array {
    const bytes = concat(out)
    out = []
    return bytes
  }

  return {
    update(bytes) {
      expectBytes('bytes', bytes)
      cutter.push(bytes)
      return takeOut()
    },
    finish() {
      expand(cutter.end())
      return takeOut()
    }
  }
}

/**
 * Creates a stream from expanded to raw bytes.
 *
 * @param rawSize - bytes that come out; the zeros that expansion put behind them do not
 * @throws {ProofError} `NOT_FR32` from `update` when a bit that expansion leaves zero is set, `SOURCE_TOO_SHORT` from
 *   `finish` when fewer bytes came than `rawSize` needs
 */
export function createCompactor(rawSize: number): Fr32Stream {
  expectInteger('rawSize', rawSize, 0, Number.MAX_SAFE_INTEGER)
  let out: Uint8Array[] = []
  let missing = rawSize
  const cutter = createUnitCutter(QUAD_PADDED_SIZE_BYTES, expanded => {
    const raw = new Uint8Array((expanded.length / QUAD_PADDED_SIZE_BYTES) * QUAD_RAW_SIZE_BYTES)
    compactFr32(expanded, raw)
    out.push(raw.subarray(0, missing))
    missing -= Math.min(raw.length, missing)
  })

  return {
    update(bytes) {
      expectBytes('bytes', bytes)
      cutter.push(bytes)
      const compacted = concat(out)
      out = []
      return compacted
    },
    finish() {
      cutter.end()
      const got = rawSize - missing
      missing = rawSize
      if (got === rawSize) return new Uint8Array()
      throw new ProofError(
        'SOURCE_TOO_SHORT',
        { offset: 0, expected: rawSize, got },
        `the source ends early: expected ${rawSize} raw bytes, got ${got}`
      )
    }
  }
}
