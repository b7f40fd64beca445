/** Amounts as text: one credit is 10^18 atto. Amounts themselves are always `bigint` atto. */
import * as Value from 'ox/Value'

const DECIMALS = 18

/** Attos as a decimal number of credits, exact: 1500000000000000000n → "1.5". */
export function formatCredits(atto: bigint): string {
  return Value.format(atto, DECIMALS)
}

/** A decimal number of credits as attos. @throws when the text is no decimal number */
export function parseCredits(text: string): bigint {
  return Value.from(text, DECIMALS)
}
