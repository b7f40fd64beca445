/**
 * Every protocol of the network, as data: what is asked, what is answered, and how large and how slow either may be.
 *
 * @see PROTOCOLS.md, Wire
 */
import { z } from 'zod'
import { CONSISTENCY_PATH_NODES_MAX } from '../evidence/merkle-consistency.ts'
import { transcriptPathSchema, transcriptSchema } from '../evidence/transcript.ts'
import { commandSchema, ENTRY_SIZE_BYTES_MAX, pieceProofsSchema, signatureSchema } from '../ledger/commands.ts'
import { HEAD_SIZE_BYTES_MAX } from '../ledger/log-head.ts'
import { LABEL_SIZE_BYTES_MAX, statementIdSchema, statementSchema } from '../ledger/statements.ts'
import { readPermissionSchema } from '../pieces/read-permission.ts'
import {
  addressesSchema,
  addressSchema,
  bytesBetween,
  bytesOfLength,
  bytesUpTo,
  cidSchema,
  multiaddrTextSchema,
  naturalSchema
} from '../schema.ts'
import {
  CHUNK_SIZE_BYTES_MAX,
  CHUNKS_IN_FLIGHT_MAX,
  ENVELOPE_SIZE_BYTES_MAX,
  MESSAGE_SIZE_BYTES_MAX
} from './limits.ts'
import { BULK_LIMITS, type BulkProtocol, type Protocol } from './protocol.ts'

const KIB = 1024

/** An entry may be this large on the wire: the largest command that a submission's frame can hold, its number, its time. */
const ENTRY_WIRE_SIZE_BYTES_MAX = ENTRY_SIZE_BYTES_MAX + ENVELOPE_SIZE_BYTES_MAX + KIB
/** Entries in one answer; fewer when they are large. */
export const ENTRIES_PER_ANSWER_MAX = 512
/** Longest that a host holds a request for entries that do not exist yet. */
export const ENTRIES_WAIT_MS_MAX = 10_000
/** Blocks in one request: the read-ahead of the content reader, and room. */
export const BLOCKS_PER_REQUEST_MAX = 256
/** Deals in one push or challenge. */
export const DEALS_PER_PUSH_MAX = 64
/** Replicas that one answer names. */
export const REPLICAS_PER_ANSWER_MAX = 64
/** Pieces that one replica names, the first of them: anybody may put many under a root, and the answer must fit. */
export const PIECES_PER_REPLICA_MAX = 256

const refusalSchema = z.strictObject({
  code: z.string().max(64),
  message: z.string().max(1024),
  details: z.record(z.string(), z.union([z.string(), z.number()]))
})

/** Submits a command; answered once the entry is durable, or with the rule's refusal. */
export const ledgerSubmit = {
  id: '/holdfast/ledger-submit/1',
  request: z.strictObject({ command: commandSchema }),
  response: z.discriminatedUnion('ok', [
    z.strictObject({ ok: z.literal(true), sequence: naturalSchema }),
    z.strictObject({ ok: z.literal(false), refusal: refusalSchema })
  ]),
  requestSizeBytesMax: ENTRY_SIZE_BYTES_MAX,
  responseSizeBytesMax: 16 * KIB,
  timeoutMs: 15_000,
  streamsInboundMax: 32,
  traffic: 'ledger'
} satisfies Protocol<unknown, unknown>

export type SubmitAnswer = z.output<typeof ledgerSubmit.response>

/** Reads the log from an entry on; held back for up to `waitMs` while there is none, so that followers hear at once. */
export const ledgerEntries = {
  id: '/holdfast/ledger-entries/1',
  request: z.strictObject({ from: naturalSchema, waitMs: z.int().min(0).max(ENTRIES_WAIT_MS_MAX) }),
  response: z.strictObject({
    /** Encoded entries in order, from the one asked for on. */
    entries: z.array(bytesUpTo(ENTRY_WIRE_SIZE_BYTES_MAX)).max(ENTRIES_PER_ANSWER_MAX),
    /** How many the log holds. */
    length: naturalSchema
  }),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: MESSAGE_SIZE_BYTES_MAX,
  timeoutMs: ENTRIES_WAIT_MS_MAX + 10_000,
  streamsInboundMax: 8,
  traffic: 'ledger',
  cost: 4
} satisfies Protocol<unknown, unknown>

const replicaSchema = z.strictObject({
  dealId: naturalSchema,
  provider: addressSchema,
  addresses: addressesSchema,
  pieces: z.array(cidSchema).max(PIECES_PER_REPLICA_MAX),
  proved: naturalSchema,
  faulted: naturalSchema,
  docketLeaves: naturalSchema
})
export type Replica = z.output<typeof replicaSchema>

/** Who holds an object: for readers that follow no ledger. A lie only sends them to somebody whose blocks do not match. */
export const ledgerReplicas = {
  id: '/holdfast/ledger-replicas/1',
  /** What the client calls the pieces: the bytes of the root CID of a public object. */
  request: z.strictObject({ label: bytesBetween(1, LABEL_SIZE_BYTES_MAX) }),
  response: z.strictObject({ replicas: z.array(replicaSchema).max(REPLICAS_PER_ANSWER_MAX) }),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: MESSAGE_SIZE_BYTES_MAX,
  timeoutMs: 10_000,
  streamsInboundMax: 8,
  traffic: 'ledger',
  cost: 5
} satisfies Protocol<unknown, unknown>

/** The newest log head of a peer that holds the log, or the one of a number. Refused with `NO_SUCH_HEAD`. */
export const ledgerHead = {
  id: '/holdfast/ledger-head/1',
  request: z.strictObject({ number: naturalSchema.optional() }),
  response: z.strictObject({ head: bytesUpTo(HEAD_SIZE_BYTES_MAX) }),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: KIB,
  timeoutMs: 10_000,
  streamsInboundMax: 8,
  traffic: 'ledger'
} satisfies Protocol<unknown, unknown>

const merklePathSchema = z.array(bytesOfLength(32)).max(CONSISTENCY_PATH_NODES_MAX)

/** What the log holds, proved to somebody who holds a head and no log: an entry, or that one size follows another. */
export const ledgerProof = {
  id: '/holdfast/ledger-proof/1',
  request: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('entry'), sequence: naturalSchema, size: naturalSchema.min(1) }),
    z.strictObject({ kind: z.literal('consistency'), from: naturalSchema.min(1), to: naturalSchema.min(1) })
  ]),
  response: z.discriminatedUnion('kind', [
    /** The encoded entry, and its path in the tree of the first `size` entries. */
    z.strictObject({
      kind: z.literal('entry'),
      entry: bytesUpTo(ENTRY_WIRE_SIZE_BYTES_MAX),
      path: merklePathSchema
    }),
    /** See `consistencyRoots`. */
    z.strictObject({ kind: z.literal('consistency'), path: merklePathSchema })
  ]),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: ENTRY_WIRE_SIZE_BYTES_MAX + 4 * KIB,
  timeoutMs: 10_000,
  streamsInboundMax: 8,
  traffic: 'ledger',
  cost: 2
} satisfies Protocol<unknown, unknown>

/** Asks a provider to sign an order: to open a deal, or to take pieces that it already has on disk into one. */
export const proposeDeal = {
  id: '/holdfast/propose-deal/1',
  request: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('DealOrder'),
      statement: statementSchema('DealOrder'),
      signature: signatureSchema
    }),
    z.strictObject({
      kind: z.literal('PiecesOrder'),
      statement: statementSchema('PiecesOrder'),
      signature: signatureSchema
    })
  ]),
  response: z.strictObject({ acceptance: signatureSchema }),
  requestSizeBytesMax: ENTRY_SIZE_BYTES_MAX,
  responseSizeBytesMax: KIB,
  timeoutMs: 15_000,
  streamsInboundMax: 8,
  cost: 5
} satisfies Protocol<unknown, unknown>

/**
 * Uploads one piece under a deal; answered with what the provider has on disk, synced and hashed by itself.
 *
 * With an `uploadId`, 128 bits that the client chose for these bytes alone, an upload that breaks off can be resumed: the
 * same request goes on where the provider's disk stands.
 *
 * With `mends`, a piece of the deal that the provider says it lost, nothing else is taken, nothing is leased for it, and
 * its room is the room that it had.
 */
export const storePiece = {
  id: '/holdfast/store-piece/1',
  request: z.strictObject({
    dealId: naturalSchema,
    sizeBytes: naturalSchema.min(1),
    uploadId: statementIdSchema.optional(),
    mends: cidSchema.optional()
  }),
  response: z.strictObject({ cid: cidSchema, rawSize: naturalSchema }),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: KIB,
  timeoutMs: 30_000,
  streamsInboundMax: 4,
  ...BULK_LIMITS
} satisfies BulkProtocol<unknown, unknown>

/** Blocks that a provider sends along with the root of a file: nodes down to the leaves of a small range, and those. */
export const BLOCKS_AHEAD_MAX = 8
/** Their bytes together: what is under way without an acknowledgement, so that none waits for a round trip. */
export const BLOCKS_AHEAD_SIZE_BYTES_MAX = CHUNKS_IN_FLIGHT_MAX * CHUNK_SIZE_BYTES_MAX

/**
 * Reads public blocks by CID: the answer says how long each is, the stream holds them end to end, in the order asked. Who
 * asks for the root of a file alone can name the range that he will read, and gets the first blocks of it along: one round
 * trip less for each level of the file.
 */
export const readBlocks = {
  id: '/holdfast/read-blocks/1',
  request: z.strictObject({
    cids: z.array(cidSchema).min(1).max(BLOCKS_PER_REQUEST_MAX),
    range: z.strictObject({ offset: naturalSchema, length: naturalSchema }).optional(),
    /** All that is wanted of the one block asked for. */
    part: z.strictObject({ offset: naturalSchema, length: naturalSchema }).optional()
  }),
  response: z.strictObject({
    sizesBytes: z.array(naturalSchema).max(BLOCKS_PER_REQUEST_MAX + BLOCKS_AHEAD_MAX),
    /** What comes before the root: the last first, so that a leaf of a whole chunk lies in one. */
    ahead: z.array(cidSchema).max(BLOCKS_AHEAD_MAX).optional()
  }),
  requestSizeBytesMax: 64 * KIB,
  responseSizeBytesMax: 8 * KIB,
  timeoutMs: 15_000,
  streamsInboundMax: 16,
  cost: 2,
  chunkSizeBytesMax: CHUNK_SIZE_BYTES_MAX,
  chunksInFlightMax: CHUNKS_IN_FLIGHT_MAX,
  idleTimeoutMs: 15_000
} satisfies BulkProtocol<unknown, unknown>

/** Pieces among which blocks are looked for in one request. */
export const PIECES_PER_LOOKUP_MAX = 64

/** Asks where public blocks stand in some of a provider's pieces: for readers who want each bound to a piece that is paid for. */
export const locateBlocks = {
  id: '/holdfast/locate-blocks/1',
  request: z.strictObject({
    cids: z.array(cidSchema).min(1).max(BLOCKS_PER_REQUEST_MAX),
    pieces: z.array(cidSchema).min(1).max(PIECES_PER_LOOKUP_MAX)
  }),
  response: z.strictObject({
    /** One for each CID in the order asked: which of the pieces, and where in it the block's data lies; null for none. */
    places: z
      .array(
        z
          .strictObject({
            piece: naturalSchema.max(PIECES_PER_LOOKUP_MAX - 1),
            offset: naturalSchema,
            length: naturalSchema
          })
          .nullable()
      )
      .max(BLOCKS_PER_REQUEST_MAX)
  }),
  requestSizeBytesMax: 64 * KIB,
  responseSizeBytesMax: 64 * KIB,
  timeoutMs: 15_000,
  streamsInboundMax: 16,
  cost: 5
} satisfies Protocol<unknown, unknown>

/** Raw bytes in one proved range: the asker holds them all while it checks them. */
export const PROVED_RANGE_SIZE_BYTES_MAX = 16 * KIB * KIB

/**
 * Reads a range of a piece. With `proof`, what comes is the quads around the range and the nodes that bind them to the
 * PieceCID (`verifyRange` in proofs); without, the range itself.
 */
export const readRange = {
  id: '/holdfast/read-range/1',
  request: z.strictObject({
    piece: cidSchema,
    offset: naturalSchema,
    length: naturalSchema.min(1),
    permission: readPermissionSchema.nullable(),
    proof: z.boolean()
  }),
  response: z.strictObject({
    /** Of the bytes that follow, in the piece. */
    offset: naturalSchema,
    length: naturalSchema.min(1),
    /** Of the range proof; empty when none was asked for. */
    nodes: bytesUpTo(4 * KIB)
  }),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: 8 * KIB,
  timeoutMs: 15_000,
  streamsInboundMax: 16,
  cost: 2,
  chunkSizeBytesMax: CHUNK_SIZE_BYTES_MAX,
  chunksInFlightMax: CHUNKS_IN_FLIGHT_MAX,
  idleTimeoutMs: 15_000
} satisfies BulkProtocol<unknown, unknown>

/** Longest that a provider holds a question about a pull back. */
export const PULL_WAIT_MS_MAX = 10_000

/**
 * Asks a provider to fetch a piece from another one, under a deal. The same question again asks how far it is; whoever
 * stops asking stops the pull, and what came is kept for as long as an upload that broke off.
 */
export const pullPiece = {
  id: '/holdfast/pull-piece/1',
  request: z.strictObject({
    dealId: naturalSchema,
    piece: cidSchema,
    from: addressesSchema.min(1),
    /** For a private piece: names the provider at `from`, and the one that pulls as its reader. */
    permission: readPermissionSchema.optional(),
    /** How long the answer may be held back while the pull goes on. */
    waitMs: z.int().min(0).max(PULL_WAIT_MS_MAX)
  }),
  /** `held`: the piece is on disk, synced, and was hashed to the CID that was asked for. */
  response: z.strictObject({ receivedBytes: naturalSchema, held: z.boolean() }),
  requestSizeBytesMax: 4 * KIB,
  responseSizeBytesMax: KIB,
  timeoutMs: PULL_WAIT_MS_MAX + 20_000,
  streamsInboundMax: 4
} satisfies Protocol<unknown, unknown>

const pushedProofSchema = z.strictObject({
  dealId: naturalSchema,
  proofs: pieceProofsSchema,
  /** The provider's ProofPush, so that a bad proof is evidence that it cannot deny. */
  signature: signatureSchema
})
export type PushedProof = z.output<typeof pushedProofSchema>

/** Pushes a round's proofs to a verifier; needs no open port at the provider. */
export const pushProofs = {
  id: '/holdfast/prove/1',
  request: z.strictObject({ round: naturalSchema, items: z.array(pushedProofSchema).min(1).max(DEALS_PER_PUSH_MAX) }),
  response: z.strictObject({
    results: z
      .array(
        z.strictObject({
          dealId: naturalSchema,
          verdict: z.enum(['pass', 'bad proof', 'not asked']),
          reason: z.string().max(256)
        })
      )
      .max(DEALS_PER_PUSH_MAX)
  }),
  requestSizeBytesMax: MESSAGE_SIZE_BYTES_MAX,
  responseSizeBytesMax: 64 * KIB,
  timeoutMs: 15_000,
  streamsInboundMax: 8,
  traffic: 'proving',
  cost: 2
} satisfies Protocol<unknown, unknown>

/** Asks a provider for proofs that it did not push. */
export const challenge = {
  id: '/holdfast/challenge/1',
  request: z.strictObject({ round: naturalSchema, dealIds: z.array(naturalSchema).min(1).max(DEALS_PER_PUSH_MAX) }),
  response: z.strictObject({ items: z.array(pushedProofSchema).max(DEALS_PER_PUSH_MAX) }),
  requestSizeBytesMax: 8 * KIB,
  responseSizeBytesMax: MESSAGE_SIZE_BYTES_MAX,
  timeoutMs: 15_000,
  streamsInboundMax: 8,
  traffic: 'proving',
  cost: 10
} satisfies Protocol<unknown, unknown>

/** Asks a verifier by what it attested a deal in a round: anyone may, and may refute what does not bear it out. */
export const readTranscript = {
  id: '/holdfast/transcript/1',
  request: z.strictObject({ round: naturalSchema, dealId: naturalSchema }),
  response: z.strictObject({
    transcript: transcriptSchema,
    path: transcriptPathSchema,
    /** What the provider pushed; null when nothing came. */
    proofs: pieceProofsSchema.nullable()
  }),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: ENTRY_SIZE_BYTES_MAX,
  timeoutMs: 10_000,
  streamsInboundMax: 4,
  traffic: 'proving',
  cost: 5
} satisfies Protocol<unknown, unknown>

export type TranscriptAnswer = z.output<typeof readTranscript.response>

/** Deals and pieces of one answer; a provider that lost more than that has worse to do than to list it. */
export const REPAIR_NOTICE_DEALS_MAX = 16
export const REPAIR_NOTICE_PIECES_MAX = 64

const repairNoticeSchema = z.strictObject({
  dealId: naturalSchema,
  round: naturalSchema,
  pieces: z.array(cidSchema).min(1).max(REPAIR_NOTICE_PIECES_MAX),
  /** The provider's, over RepairNotice. */
  signature: signatureSchema
})
export type RepairNotice = z.output<typeof repairNoticeSchema>

/** Asks a provider what it has lost of one's own deals and cannot get again by itself. */
export const repairNotices = {
  id: '/holdfast/repair-notices/1',
  request: z.strictObject({ dealIds: z.array(naturalSchema).min(1).max(REPAIR_NOTICE_DEALS_MAX) }),
  response: z.strictObject({ notices: z.array(repairNoticeSchema).max(REPAIR_NOTICE_DEALS_MAX) }),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: 128 * KIB,
  timeoutMs: 10_000,
  streamsInboundMax: 2,
  cost: 2
} satisfies Protocol<unknown, unknown>

/** Stands for the network's id where a peer does not know it yet: in the envelopes of `network` alone. */
export const ANY_NETWORK = new Uint8Array(32)

/** The network that a peer belongs to, for whoever wants to join it; its clock and its round, for whoever doubts their own. */
export const networkInfo = {
  id: '/holdfast/network/1',
  request: z.strictObject({}),
  response: z.strictObject({
    /** The network description as JSON text; its parameters and addresses are signed by the ledger host. */
    description: z.string().max(512 * KIB),
    /** Milliseconds of Unix time. */
    timeMs: naturalSchema,
    /** The newest round that the peer knows of. */
    round: naturalSchema
  }),
  requestSizeBytesMax: KIB,
  responseSizeBytesMax: MESSAGE_SIZE_BYTES_MAX,
  timeoutMs: 10_000,
  streamsInboundMax: 4,
  traffic: 'membership',
  cost: 2
} satisfies Protocol<unknown, unknown>

/**
 * Asks a peer whether it can open a connection to the asker: what a peer at home cannot find out by itself. Only
 * addresses with the IP that the asker's own connection comes from are dialled, so that nobody is sent to a third party.
 */
export const dialBack = {
  id: '/holdfast/dial-back/1',
  request: z.strictObject({ addresses: addressesSchema.min(1) }),
  response: z.strictObject({
    /** The IP that the asker's connection comes from, as the asked one sees it. */
    seenFrom: z.string().max(64),
    /** The first of the addresses that answered with the asker's key; absent when none did. */
    reached: multiaddrTextSchema.optional(),
    /** Why not, for people. */
    reason: z.string().max(256)
  }),
  requestSizeBytesMax: 4 * KIB,
  responseSizeBytesMax: KIB,
  timeoutMs: 15_000,
  streamsInboundMax: 1,
  traffic: 'membership',
  cost: 100
} satisfies Protocol<unknown, unknown>
