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
