import { CoreError } from '../error.ts'

/** What one walk over a foreign DAG may cost. A DAG of a few kilobytes can claim 10^21 bytes or 2^31 entries. */
export interface ReadBudget {
  /** Blocks that are used, each time they are used. */
  readonly blocks: number
  /** Bytes of those blocks. */
  readonly bytes: number
  /** Levels of directories and shards above an entry, and levels of nodes inside a file. */
  readonly depth: number
  /** Names in all directories. */
  readonly entries: number
}

/** A whole home directory passes; what is above needs a caller who knows. Depth is far above every real tree. */
export const READ_BUDGET_DEFAULT: ReadBudget = {
  blocks: 4 * 1024 * 1024,
  bytes: 2 ** 40,
  depth: 128,
  entries: 1024 * 1024
}

export type SpendableBudget = Exclude<keyof ReadBudget, 'depth'>

/** Keeps count of one walk and stops it before it goes over. */
export class ReadMeter {
  readonly #budget: ReadBudget
  readonly #spent: Record<SpendableBudget, number> = { blocks: 0, bytes: 0, entries: 0 }

  constructor(budget: Partial<ReadBudget>) {
    this.#budget = { ...READ_BUDGET_DEFAULT, ...budget }
  }

  /** @throws {CoreError} `BUDGET_EXCEEDED` */
  spend(budget: SpendableBudget, amount: number): void {
    this.#spent[budget] += amount
    if (this.#spent[budget] > this.#budget[budget]) this.#exceeded(budget)
  }

  /**
   * Refuses at once what will not fit. Spends nothing.
   *
   * @throws {CoreError} `BUDGET_EXCEEDED`
   */
  admit(budget: SpendableBudget, amount: bigint): void {
    if (BigInt(this.#spent[budget]) + amount > BigInt(this.#budget[budget])) this.#exceeded(budget)
  }

  /** @throws {CoreError} `BUDGET_EXCEEDED` */
  admitDepth(depth: number): void {
    if (depth > this.#budget.depth) this.#exceeded('depth')
  }

  #exceeded(budget: keyof ReadBudget): never {
    const limit = this.#budget[budget]
    throw new CoreError('BUDGET_EXCEEDED', `the content needs more than the ${limit} ${budget} it was given`, {
      budget,
      limit
    })
  }
}
