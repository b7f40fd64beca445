/** Numbers as people read them. */
import { formatCredits } from '@holdfast/core'

const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** 1536 → "1.5 KiB" */
export function formatSize(bytes: number): string {
  let value = bytes
  let unit = 0
  // From 1023.95 on, one decimal would say 1024.0.
  while ((unit === 0 ? value : Number(value.toFixed(1))) >= 1024 && unit < SIZE_UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${SIZE_UNITS[unit]}`
}

/**
 * Attos as credits with so many decimals, cut off rather than rounded: a balance is never shown too high. Of a small amount
 * the first three digits are shown, however many decimals that takes, because pay for a round can be that small.
 */
export function formatAmount(atto: bigint, decimals = 6): string {
  const [whole = '0', fraction = ''] = formatCredits(atto).split('.')
  const leadingZeros = /^0*/.exec(fraction)![0].length
  const isSmall = whole === '0' && fraction !== ''
  const shown = isSmall ? Math.max(decimals, Math.min(18, leadingZeros + 3)) : decimals
  return `${whole}.${fraction.padEnd(shown, '0').slice(0, shown)}`
}

/** Attos as credits for charts only, to sixteen digits: whoever counts credits asks the ledger. */
export function creditsForCharts(atto: bigint): number {
  return Number.parseFloat(formatCredits(atto))
}

/** Highest resident memory of this process so far, in MiB. */
export function ownPeakRssMiB(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024)
}
