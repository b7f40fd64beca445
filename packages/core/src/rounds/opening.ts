/** Which deals must be opened on the ledger: no quorum of verifiers replaces that proof. */
import { createDraw } from './draw.ts'

/**
 * @param seed - 32 bytes of the round; the chance is 1 in `openingOneIn` for each deal, alone
 * @param deal - `mustOpen`: it must be opened whatever the beacon draws
 */
export function mustBeOpened(
  seed: Uint8Array,
  deal: { readonly dealId: number; readonly mustOpen: boolean },
  openingOneIn: number
): boolean {
  return deal.mustOpen || createDraw(seed, `holdfast/opening/${deal.dealId}`).below(openingOneIn) === 0
}
