/**
 * Checks of what callers pass in: a wrong type is a `TypeError`, a wrong value a `RangeError`, and both say what was
 * expected and what came.
 */

/** @returns a short name of a value for an error message; never its content */
function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'number' || typeof value === 'bigint') return `${typeof value} ${value}`
  return typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value
}

/** Requires bytes, of exactly `size` where it is given. Views on a SharedArrayBuffer are bytes too. */
export function expectBytes(name: string, value: unknown, size?: number): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name}: expected Uint8Array, got ${describe(value)}`)
  if (size !== undefined && value.length !== size)
    throw new RangeError(`${name}: expected ${size} bytes, got ${value.length}`)
}

/** Requires an integer that a number holds exactly, `min` ≤ value ≤ `max`. */
export function expectInteger(name: string, value: unknown, min: number, max: number): asserts value is number {
  if (typeof value !== 'number') throw new TypeError(`${name}: expected number, got ${describe(value)}`)
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new RangeError(`${name}: expected an integer from ${min} to ${max}, got ${value}`)
}

/** Requires a bigint, `min` ≤ value ≤ `max`. */
export function expectBigint(name: string, value: unknown, min: bigint, max: bigint): asserts value is bigint {
  if (typeof value !== 'bigint') throw new TypeError(`${name}: expected bigint, got ${describe(value)}`)
  if (value < min || value > max) throw new RangeError(`${name}: expected ${min} to ${max}, got ${value}`)
}

/** Requires an array; says nothing about its elements. */
export function expectArray(name: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`${name}: expected array, got ${describe(value)}`)
}

/** Requires an object; says nothing about its fields. */
export function expectObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null)
    throw new TypeError(`${name}: expected object, got ${describe(value)}`)
}

/** Requires a function. */
export function expectFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${name}: expected function, got ${describe(value)}`)
}
