/** The `Range` header (RFC 9110 §14), as far as it is about a single range of bytes. */

/** Both ends count; open where it stands for "to the end", from behind where `from` is missing. */
export interface AskedRange {
  readonly from: number | undefined
  readonly to: number | undefined
}

/** @returns undefined for what is no single range of bytes: it is as if it had not been said */
export function parseRange(text = ''): AskedRange | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text) ?? []
  if (from === '' && to === '') return undefined
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
  return { from: from === '' ? undefined : Number(from), to: to === '' ? undefined : Number(to) }
}

/** @returns where the range begins and ends in so many bytes, `to` exclusive; undefined where it has none of them */
export function within(
  { from, to }: AskedRange,
  sizeBytes: number
): { readonly from: number; readonly to: number } | undefined {
  const first = from ?? Math.max(0, sizeBytes - (to ?? 0))
  const end = from === undefined || to === undefined ? sizeBytes : Math.min(to + 1, sizeBytes)
  return first < end ? { from: first, to: end } : undefined
}
