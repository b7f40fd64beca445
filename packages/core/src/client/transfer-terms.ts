/**
 * How long a client waits before it takes another provider. The protocols' own limits are what a server must not break;
 * a client that has a choice need not wait that long.
 */
import type { BulkTerms, ProtocolTerms } from '../protocols/protocol.ts'

const KIB = 1024

/** The least rate that a transfer may have: a chunk of 1 MiB in 8 s. A home line of 1 Mbit/s still passes. */
export const TRANSFER_RATE_BYTES_PER_SECOND_MIN = 128 * KIB

/** For dialling and for the answer to a request that a healthy peer answers soon: some wait 3 s for news of the ledger. */
export const ANSWER_MS_MAX = 10_000

export interface Patience {
  /** Default `TRANSFER_RATE_BYTES_PER_SECOND_MIN`. */
  readonly bytesPerSecondMin?: number | undefined
  /** Default `ANSWER_MS_MAX`. */
  readonly answerMsMax?: number | undefined
}

/** The protocol as a client with this patience asks it; never more patient than the protocol itself. */
export function impatient<Asked extends ProtocolTerms>(protocol: Asked, patience: Patience): Asked {
  const { bytesPerSecondMin = TRANSFER_RATE_BYTES_PER_SECOND_MIN, answerMsMax = ANSWER_MS_MAX } = patience
  const timeoutMs = Math.min(protocol.timeoutMs, answerMsMax)
  if (!isBulk(protocol)) return { ...protocol, timeoutMs }
  const chunkMs = Math.ceil((protocol.chunkSizeBytesMax * 1000) / bytesPerSecondMin)
  return { ...protocol, timeoutMs, idleTimeoutMs: Math.min(protocol.idleTimeoutMs, chunkMs) }
}

function isBulk<Asked extends ProtocolTerms>(protocol: Asked): protocol is Asked & BulkTerms {
  return 'idleTimeoutMs' in protocol
}
