/** More escrow for the deals of an object, so that it is paid for longer. */
import type { CID } from 'multiformats/cid'
import { priceOfDeal } from '../ledger/price.ts'
import type { LedgerState } from '../ledger/state.ts'
import type { ObjectReference } from '../pieces/index.ts'
import type { Address } from '../schema.ts'
import { findObjectDeals } from './object-deals.ts'
import { type SubmitComponents, signAndSubmit } from './sign-and-submit.ts'

export interface TopUp {
  readonly dealId: number
  /** In atto. */
  readonly amount: bigint
}

/**
 * What the deals of an object lack to be funded for so many rounds from now on. A deal is funded as a whole, with all
 * objects that are in it. Deals that end are left out: nothing prolongs them.
 */
export function planTopUp(
  state: LedgerState,
  client: Address,
  name: CID | ObjectReference,
  rounds: number
): readonly TopUp[] {
  const deals = new Set(findObjectDeals(state, name, client).map(({ deal }) => deal))
  return [...deals].flatMap(deal => {
    const amount = priceOfDeal(state.parameters.money, deal) * BigInt(rounds) - deal.escrow
    return deal.status === 'active' && amount > 0n ? [{ dealId: deal.id, amount }] : []
  })
}

export interface TopUpOptions {
  /** From now on. */
  readonly rounds: number
  readonly signal?: AbortSignal | undefined
  /** Told of each deal when the ledger has taken it. */
  readonly onProgress?: ((event: { readonly kind: 'toppedUp' } & TopUp) => void) | undefined
}

/**
 * @returns what was added to which deal
 * @throws {CoreError} `LEDGER_REFUSED`, also when the account has not enough; what was added before stays. `LEDGER_UNREACHABLE`
 */
export async function topUpObject(
  components: SubmitComponents,
  name: CID | ObjectReference,
  { rounds, signal, onProgress }: TopUpOptions
): Promise<readonly TopUp[]> {
  signal?.throwIfAborted()
  const { ledger, signer } = components
  const plan = planTopUp(ledger.state, signer.address, name, rounds)
  for (const added of plan) {
    await signAndSubmit(components, 'TopUp', { client: signer.address, ...added }, signal)
    onProgress?.({ kind: 'toppedUp', ...added })
  }
  return plan
}
