/** Which deals must be opened on the ledger: no quorum of verifiers replaces that proof. */
import { createDraw } from './draw.ts'
import type { FrozenDeal } from './freeze.ts'

/** @param seed - 32 bytes of the round; the chance is 1 in `openingOneIn` for each deal, alone */
export function mustBeOpened(seed: Uint8Array, deal: FrozenDeal, openingOneIn: number): boolean {
  return deal.mustOpen || createDraw(seed, `holdfast/opening/${deal.dealId}`).below(openingOneIn) === 0
}
