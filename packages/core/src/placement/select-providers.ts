/** Which providers a store goes to, and why: a pure function of asks, exclusions and needs. */
import type { Statement } from '../ledger/statements.ts'
import type { Address } from '../schema.ts'

export interface PlacementNeeds {
  readonly count: number
  /** Bytes that each chosen provider must have room for. */
  readonly sizeBytes: number
  readonly pricePerLeafRoundMax?: bigint
  /** Providers that are out, with the reason that is shown when not enough are left. */
  readonly excluded: ReadonlyMap<Address, string>
  /** Providers that have part of it already: they come first, so that a store that is repeated goes on where it was. */
  readonly preferred?: ReadonlySet<Address>
}

export type Placement =
  | { readonly ok: true; readonly chosen: readonly Statement<'Ask'>[]; readonly spare: readonly Statement<'Ask'>[] }
  | {
      readonly ok: false
      readonly reason: string
      readonly rejected: readonly { readonly provider: Address; readonly why: string }[]
    }

/** Preferred first, then cheapest, then by address, so that the same asks give the same choice. */
export function selectProviders(asks: Iterable<Statement<'Ask'>>, needs: PlacementNeeds): Placement {
  const rejected: { provider: Address; why: string }[] = []
  const fit: Statement<'Ask'>[] = []
  for (const ask of asks) {
    const why = unfitBecause(ask, needs)
    if (why === undefined) fit.push(ask)
    else rejected.push({ provider: ask.provider, why })
  }
  fit.sort((a, b) => compareAsks(a, b, needs.preferred))
  if (fit.length >= needs.count) return { ok: true, chosen: fit.slice(0, needs.count), spare: fit.slice(needs.count) }
  const reasons = rejected.map(({ provider, why }) => `${provider} ${why}`).join('; ')
  return {
    ok: false,
    reason: `${needs.count} providers are needed and ${fit.length} ${fit.length === 1 ? 'fits' : 'fit'}${reasons === '' ? '' : `: ${reasons}`}`,
    rejected
  }
}

function compareAsks(a: Statement<'Ask'>, b: Statement<'Ask'>, preferred: ReadonlySet<Address> | undefined): number {
  const preference = Number(preferred?.has(b.provider) === true) - Number(preferred?.has(a.provider) === true)
  if (preference !== 0) return preference
  if (a.pricePerLeafRound !== b.pricePerLeafRound) return a.pricePerLeafRound < b.pricePerLeafRound ? -1 : 1
  return a.provider < b.provider ? -1 : 1
}

function unfitBecause(
  ask: Statement<'Ask'>,
  { sizeBytes, pricePerLeafRoundMax, excluded }: PlacementNeeds
): string | undefined {
  const reason = excluded.get(ask.provider)
  if (reason !== undefined) return reason
  if (ask.addresses.length === 0) return 'cannot be reached from outside'
  if (ask.capacityBytes < sizeBytes) return `offers ${ask.capacityBytes} bytes, ${sizeBytes} are needed`
  if (pricePerLeafRoundMax !== undefined && ask.pricePerLeafRound > pricePerLeafRoundMax) {
    return `asks ${ask.pricePerLeafRound} atto for a leaf and round, above the cap of ${pricePerLeafRoundMax}`
  }
  return undefined
}
