/** What the pieces of a store come to: bytes in each directory, and bytes that no order covers, by deal. */
import { leafCountOf } from '@holdfast/proofs'
import type { PieceDirectory } from './piece-directory.ts'
import { storedSizeOf } from './piece-files.ts'
import { keepersOf } from './piece-holders.ts'
import type { PieceHolder } from './piece-index.ts'
import type { StoreLease } from './piece-store.ts'

/** Raw bytes under a deal that are on their way, or broken off there. */
export interface UploadBytes {
  readonly dealId: string
  readonly rawBytes: number
}

export class PieceBooks {
  /** Of pieces and layers that no deal keeps. */
  leasedBytes = 0
  readonly #leases = new Map<string, { rawBytes: number; leafCount: number }>()

  /** Forgets everything but what stands in the directories. */
  clear(): void {
    this.leasedBytes = 0
    this.#leases.clear()
  }

  add(rawSize: number, holders: readonly PieceHolder[], directory: PieceDirectory): void {
    this.#count(1, rawSize, holders, directory)
  }

  remove(rawSize: number, holders: readonly PieceHolder[], directory: PieceDirectory): void {
    this.#count(-1, rawSize, holders, directory)
  }

  /** Leases of every deal that has any, uploads among them. */
  leases(uploads: readonly UploadBytes[]): StoreLease[] {
    const sums = new Map(Array.from(this.#leases, ([dealId, lease]) => [dealId, { ...lease }]))
    for (const { dealId, rawBytes } of uploads) addTo(sums, dealId, rawBytes, leafCountOf(rawBytes))
    return Array.from(sums, ([dealId, lease]) => ({ dealId, ...lease }))
  }

  #count(sign: 1 | -1, rawSize: number, holders: readonly PieceHolder[], directory: PieceDirectory): void {
    const sizeBytes = sign * storedSizeOf(rawSize)
    directory.usedBytes += sizeBytes
    if (keepersOf(holders).length > 0) return
    this.leasedBytes += sizeBytes
    for (const { dealId } of holders) {
      addTo(this.#leases, dealId, sign * rawSize, sign * leafCountOf(rawSize))
      if (this.#leases.get(dealId)?.rawBytes === 0) this.#leases.delete(dealId)
    }
  }
}

function addTo(
  sums: Map<string, { rawBytes: number; leafCount: number }>,
  dealId: string,
  rawBytes: number,
  leafCount: number
): void {
  const sum = sums.get(dealId) ?? { rawBytes: 0, leafCount: 0 }
  sum.rawBytes += rawBytes
  sum.leafCount += leafCount
  sums.set(dealId, sum)
}
