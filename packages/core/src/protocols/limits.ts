/** Bounds that hold for every protocol; those of one protocol stand in its definition. */

const KIB = 1024
const MIB = 1024 * KIB

/** What an envelope adds to its message: version, network and room for a signed ledger head. */
export const ENVELOPE_SIZE_BYTES_MAX = KIB

/** A refusal fits in every answer, however small the protocol's own answers are. */
export const REFUSAL_SIZE_BYTES_MAX = 8 * KIB

export const REFUSAL_CODE_LENGTH_MAX = 64
export const REFUSAL_MESSAGE_LENGTH_MAX = 1024

/**
 * One message is held in memory whole and written in one go. Kept under the 2 MiB read buffer and the 4 MiB write
 * buffer of a stream (peer's node.ts), because libp2p resets a stream that passes either.
 */
export const MESSAGE_SIZE_BYTES_MAX = MIB

/** As large as a UnixFS leaf, and one disk write; larger chunks only cost memory. */
export const CHUNK_SIZE_BYTES_MAX = MIB

/**
 * One on the disk, one arriving, one on the way. Three full chunks stay under the 4 MiB at which libp2p resets a stream
 * whose bytes wait; yamux has no window driven by the consumer, so this credit is the only brake there is.
 */
export const CHUNKS_IN_FLIGHT_MAX = 3

/** Where libp2p gives up on a stream; in-flight bytes must stay below. */
export const STREAM_BUFFER_SIZE_BYTES = 4 * MIB

/** Requests of one lasting stream that are not answered yet; their bytes together are no more than one largest message. */
export const REQUESTS_IN_FLIGHT_MAX = 4

/** How long a served stream that carries one request after another may carry none. */
export const LASTING_STREAM_IDLE_MS = 60_000
