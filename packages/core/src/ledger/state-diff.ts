/** Where two states differ, by field and by entry of each map: what `holdfast ledger recalc` lists. */
import { CID } from 'multiformats/cid'
import type { LedgerState } from './state.ts'

/** @returns names of fields, or `field/key` for entries of maps; empty for equal states */
export function diffStates(a: LedgerState, b: LedgerState): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].flatMap(name => {
    const [left, right]: [unknown, unknown] = [Reflect.get(a, name), Reflect.get(b, name)]
    if (!(left instanceof Map && right instanceof Map)) return equalPlain(left, right) ? [] : [name]
    const keys = new Set<unknown>([...left.keys(), ...right.keys()])
    return [...keys]
      .filter(key => left.has(key) !== right.has(key) || !equalPlain(left.get(key), right.get(key)))
      .map(key => `${name}/${String(key)}`)
  })
}

/** Equal plain data; the order of maps, sets and fields does not count. */
function equalPlain(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array) return b instanceof Uint8Array && equalLists(Array.from(a), Array.from(b))
  const [left, right] = [CID.asCID(a), CID.asCID(b)]
  if (left !== null || right !== null) return left !== null && right !== null && left.equals(right)
  if (Array.isArray(a)) return Array.isArray(b) && equalLists(a, b)
  if (a instanceof Set) return b instanceof Set && a.size === b.size && [...a].every(item => b.has(item))
  if (a instanceof Map) {
    return (
      b instanceof Map && a.size === b.size && [...a].every(([key, item]) => b.has(key) && equalPlain(item, b.get(key)))
    )
  }
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].every(name => equalPlain(Reflect.get(a, name), Reflect.get(b, name)))
}

function equalLists(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => equalPlain(item, b[index]))
}
