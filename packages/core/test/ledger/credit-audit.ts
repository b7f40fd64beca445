import { creditLinesOf } from '../../src/ledger/credit-lines.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { accountOf } from '../../src/ledger/state.ts'
import type { Address } from '../../src/schema.ts'

/**
 * Adds up the credit lines of every account of a ledger that begins, and compares them with its balance after each entry.
 *
 * @throws {Error} naming the account whose lines do not say where its credits are
 */
export function auditCredits(ledger: Pick<Ledger, 'state' | 'subscribe'>): void {
  const { state } = ledger
  const sums = new Map<Address, bigint>([...state.accounts].map(([address, { free }]) => [address, free]))
  ledger.subscribe(applied => {
    for (const address of new Set([...sums.keys(), ...state.accounts.keys()])) {
      const lines = creditLinesOf(state, applied, address)
      const sum = lines.reduce((total, { amount }) => total + amount, sums.get(address) ?? 0n)
      sums.set(address, sum)
      const { free } = accountOf(state, address)
      if (sum === free) continue
      const said = lines.map(({ kind, amount }) => `${kind} ${amount}`).join(', ')
      throw new Error(
        `${address} has ${free}, its lines say ${sum} (entry ${applied.entry.sequence}: ${said || 'no line'})`
      )
    }
  })
}
