export interface LastUsedOptions<Value> {
  /** Of all together. */
  readonly weightMax: number
  weightOf(value: Value): number
  /** Told of a value that is not kept any more. */
  forgotten?(value: Value): void
}

/** Values by name, as many as there is room for: those that were not used for longest are forgotten. */
export class LastUsed<Value> {
  readonly #options: LastUsedOptions<Value>
  /** Those used last at the end. */
  readonly #values = new Map<string, Value>()
  #weight = 0

  constructor(options: LastUsedOptions<Value>) {
    this.#options = options
  }

  /** A use. */
  get(key: string): Value | undefined {
    const value = this.#values.get(key)
    if (value === undefined) return undefined
    this.#values.delete(key)
    this.#values.set(key, value)
    return value
  }

  set(key: string, value: Value): void {
    this.forget(key)
    this.#values.set(key, value)
    this.#weight += this.#options.weightOf(value)
    for (const oldest of this.#values.keys()) {
      if (this.#weight <= this.#options.weightMax) break
      this.forget(oldest)
    }
  }

  /** Those used last at the end. */
  values(): IterableIterator<Value> {
    return this.#values.values()
  }

  forget(key: string): void {
    const value = this.#values.get(key)
    if (value === undefined) return
    this.#values.delete(key)
    this.#weight -= this.#options.weightOf(value)
    this.#options.forgotten?.(value)
  }
}

/** What a text means, found out once for each of the texts that were used last. Nothing is remembered of one that throws. */
export function remembered<Value extends {}>(
  meaningOf: (text: string) => Value,
  textsMax: number
): (text: string) => Value {
  const known = new LastUsed<Value>({ weightMax: textsMax, weightOf: () => 1 })
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const value = meaningOf(text)
    known.set(text, value)
    return value
  }
}
