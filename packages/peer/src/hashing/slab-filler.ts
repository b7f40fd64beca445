/** Lays the bytes of a piece into slabs, in the form in which a hashing thread takes them. */
import { expandFr32, QUAD_PADDED_SIZE_BYTES, QUAD_RAW_SIZE_BYTES } from '@holdfast/proofs'

export interface SlabFiller {
  /**
   * Copies what there is room for.
   *
   * @param isExpanded - whether in its fr32 form
   * @returns how many of the bytes were taken, and how many of the slab are filled, which may be none
   */
  fill(
    bytes: Uint8Array,
    slab: Uint8Array,
    isExpanded: boolean
  ): { readonly takenBytes: number; readonly filledBytes: number }
  /** Bytes that were taken and are in no slab. */
  rest(): Uint8Array
}

/** The bytes as they are. */
export const plainFiller: SlabFiller = {
  fill(bytes, slab) {
    const taken = bytes.subarray(0, slab.length)
    slab.set(taken)
    return { takenBytes: taken.length, filledBytes: taken.length }
  },
  rest: () => new Uint8Array()
}

/**
 * Whole quads, as they are or in their fr32 form: that is a sixth of what a commitment takes, and either side of a slab can do it.
 */
export function createQuadFiller(): SlabFiller {
  const started = new Uint8Array(QUAD_RAW_SIZE_BYTES)
  let startedBytes = 0

  /** @returns how many bytes went into the quad that was begun */
  function complete(bytes: Uint8Array): number {
    if (startedBytes === 0) return 0
    const taken = bytes.subarray(0, started.length - startedBytes)
    started.set(taken, startedBytes)
    startedBytes += taken.length
    return taken.length
  }

  return {
    fill(bytes, slab, isExpanded) {
      const quadSizeBytes = isExpanded ? QUAD_PADDED_SIZE_BYTES : QUAD_RAW_SIZE_BYTES
      const lay = (quads: Uint8Array, target: Uint8Array) =>
        isExpanded ? expandFr32(quads, target) : target.set(quads)
      let takenBytes = complete(bytes)
      let filledBytes = 0
      if (startedBytes === started.length) {
        filledBytes = quadSizeBytes
        lay(started, slab.subarray(0, filledBytes))
        startedBytes = 0
      }
      if (takenBytes === bytes.length) return { takenBytes, filledBytes }
      const quads = Math.min(
        Math.floor((slab.length - filledBytes) / quadSizeBytes),
        Math.floor((bytes.length - takenBytes) / QUAD_RAW_SIZE_BYTES)
      )
      const raw = bytes.subarray(takenBytes, takenBytes + quads * QUAD_RAW_SIZE_BYTES)
      lay(raw, slab.subarray(filledBytes, filledBytes + quads * quadSizeBytes))
      takenBytes += raw.length
      filledBytes += quads * quadSizeBytes
      if (bytes.length - takenBytes < started.length) takenBytes += begin(bytes.subarray(takenBytes))
      return { takenBytes, filledBytes }
    },
    rest: () => started.subarray(0, startedBytes)
  }

  function begin(bytes: Uint8Array): number {
    started.set(bytes)
    startedBytes = bytes.length
    return bytes.length
  }
}
