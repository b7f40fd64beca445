/** SHA-256 of blocks that come one behind the other, taken while they come. */

/** What node:crypto calls a `Hash`. */
export interface Sha256 {
  update(bytes: Uint8Array): unknown
  /** Ends it. */
  digest(): Uint8Array
}

export interface BlockDigests {
  /** Says how long the blocks are, before their first byte. */
  expect(sizesBytes: readonly number[]): void
  /** The next bytes of all blocks together. */
  update(bytes: Uint8Array): void
  /** The digest of the next block, in their order; undefined when not all of it has come. */
  take(): Uint8Array | undefined
}

export function digestBlocks(createSha256: () => Sha256): BlockDigests {
  const digests: Uint8Array[] = []
  let sizes: readonly number[] = []
  let index = 0
  let hash = createSha256()
  let leftBytes = 0

  /** Ends those that have no byte left to come. */
  function settle(): void {
    while (index < sizes.length && leftBytes === 0) {
      digests.push(hash.digest())
      hash = createSha256()
      leftBytes = sizes[++index] ?? 0
    }
  }

  return {
    expect(sizesBytes) {
      sizes = sizesBytes
      leftBytes = sizes[0] ?? 0
      settle()
    },
    update(bytes) {
      for (let offset = 0; offset < bytes.length && index < sizes.length; ) {
        const part = bytes.subarray(offset, offset + leftBytes)
        hash.update(part)
        offset += part.length
        leftBytes -= part.length
        settle()
      }
    },
    take: () => digests.shift()
  }
}
