/** What a client has seen of a provider in its own transfers. Kept by the client, passed to decisions as data. */

export interface ProviderMeasurement {
  /** From a request to the first byte of its answer; undefined before the first. */
  readonly latencyMs: number | undefined
  /** To the provider, written and synced. */
  readonly uploadBytesPerSecond: number | undefined
  /** From the provider, checked. */
  readonly downloadBytesPerSecond: number | undefined
  /** In a row, since the last transfer that went well. */
  readonly failures: number
}

export type Sample =
  | { readonly kind: 'latency'; readonly ms: number }
  | { readonly kind: 'upload' | 'download'; readonly bytes: number; readonly ms: number }
  | { readonly kind: 'failure' }

export const UNMEASURED: ProviderMeasurement = {
  latencyMs: undefined,
  uploadBytesPerSecond: undefined,
  downloadBytesPerSecond: undefined,
  failures: 0
}

/** Below this many bytes a transfer says more about latency, and about the last sync of a disk, than about throughput. */
export const THROUGHPUT_SAMPLE_BYTES_MIN = 512 * 1024

/** The share of a new sample: after three of them an old speed counts for little, and one outlier does not decide. */
const WEIGHT = 0.4

/** The measurement after one more sample. A transfer that went well forgives the failures before it. */
export function withSample(before: ProviderMeasurement, sample: Sample): ProviderMeasurement {
  switch (sample.kind) {
    case 'failure':
      return { ...before, failures: before.failures + 1 }
    case 'latency':
      return { ...before, latencyMs: mix(before.latencyMs, sample.ms) }
    default: {
      const good = { ...before, failures: 0 }
      if (sample.bytes < THROUGHPUT_SAMPLE_BYTES_MIN || !(sample.ms > 0)) return good
      const rate = (sample.bytes * 1000) / sample.ms
      return sample.kind === 'upload'
        ? { ...good, uploadBytesPerSecond: mix(before.uploadBytesPerSecond, rate) }
        : { ...good, downloadBytesPerSecond: mix(before.downloadBytesPerSecond, rate) }
    }
  }
}

function mix(before: number | undefined, now: number): number {
  return before === undefined ? now : before + WEIGHT * (now - before)
}
