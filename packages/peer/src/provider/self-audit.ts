/**
 * Finds out what a disk has lost before a verifier does, and has it made good.
 *
 * Three things run side by side, at low priority, until it is stopped: every piece that a deal pays for is read and
 * compared with its commitment once in the period of the config; each round every deal is asked for leaves under a seed of
 * our own; and what is damaged or missing is fetched from another provider of the same public piece. A private piece can
 * only be made again by who holds its repair key: it stays on the list that the donor sees. Wrong bytes are served to
 * nobody meanwhile, because ranges and blocks are checked where they are served.
 */
import {
  type AuditCursor,
  auditPauseMs,
  type Clock,
  checkProofs,
  type Deal,
  type Ledger,
  type LedgerEvent,
  ownChallengesOf,
  type PaidPiece,
  type PieceReader,
  paidPiecesOf,
  pieceAtCursor,
  proveChallenges,
  type Signer
} from '@holdfast/core'
import { decodePieceCid, type NodeHasher, rootAbove } from '@holdfast/proofs'
import { PeerError } from '../error.ts'
import type { PieceStore, VerifiedReader } from '../storage/index.ts'
import type { Wounds } from './wounds.ts'

/** Sixteen cached subtrees: a millisecond of hashing, after which others have their turn. */
const STEP_BYTES = 16 * 16_256
/** How much of a piece is read again after a crash, at most; a stop loses nothing. */
const CURSOR_EVERY_BYTES = 64 * 1024 * 1024
/** While there is nothing to look after, it looks whether there is, so often. */
const EMPTY_PAUSE_MS = 60_000
/** Part of a round over which its own challenges are spread: the last deals are still before the next round. */
const SPREAD_PERMILLE = 800

/** After these a deal may hold other pieces than before. */
const PIECE_EVENTS: ReadonlySet<LedgerEvent['kind']> = new Set([
  'piecesAdded',
  'piecesRemoved',
  'piecesGone',
  'dealEnded',
  'dealFailed',
  'handedOver'
])

export type AuditEvent =
  | { readonly kind: 'rot'; readonly piece: string; readonly deals: readonly number[]; readonly how: string }
  | { readonly kind: 'passed'; readonly pieces: number; readonly startedMs: number }

export interface AuditProgress {
  /** Undefined before anything was read. */
  readonly passStartedMs: number | undefined
  readonly passes: number
  /** Of this pass, and of all pieces. */
  readonly readBytes: number
  readonly totalBytes: number
  /** Challenges of our own since the start. */
  readonly challenges: number
}

export interface SelfAuditOptions {
  readonly ledger: Ledger
  readonly signer: Pick<Signer, 'address'>
  readonly store: Pick<PieceStore, 'get' | 'reportWrongRange'>
  readonly reader: VerifiedReader
  readonly pieces: PieceReader
  readonly nodeHasher: NodeHasher
  readonly clock: Clock
  readonly random: (sizeBytes: number) => Uint8Array
  readonly wounds: Wounds
  /** In which every byte is read once, milliseconds. */
  readonly periodMs: number
  readonly cursor: { read(): Promise<AuditCursor | undefined>; write(cursor: AuditCursor): Promise<void> }
  readonly onEvent?: (event: AuditEvent) => void
  readonly onError?: (error: unknown) => void
}

export interface SelfAudit extends AsyncDisposable {
  start(): void
  /** Idempotent; ends a step that is under way and resolves when nothing runs any more. */
  stop(): Promise<void>
  progress(): AuditProgress
  /** Reads all pieces of a deal before anything else: somebody says that a proof of it was bad. */
  suspect(dealId: number): void
}

export function createSelfAudit(options: SelfAuditOptions): SelfAudit {
  const { ledger, signer, store, reader, pieces, nodeHasher, clock, random, wounds, periodMs } = options
  const { onEvent = () => undefined, onError = () => undefined } = options
  const { state } = ledger
  const ending = new AbortController()
  const { signal } = ending
  /** Names of pieces that are to be read at once. */
  const urgent = new Set<string>()
  let cursor: AuditCursor | undefined
  let challenges = 0
  let hurry = new AbortController()
  let endSubscription: (() => void) | undefined
  const running = new Set<Promise<void>>()

  /** As of the newest change to any deal's pieces: sorting a hundred thousand takes a while. */
  let paid: PaidPiece[] | undefined
  const held = () => {
    paid ??= paidPiecesOf(state, signer.address)
    return paid
  }

  function found(piece: PaidPiece, how: string): void {
    if (!wounds.add(piece.name, how)) return
    onEvent({ kind: 'rot', piece: piece.name, deals: piece.deals.map(({ dealId }) => dealId), how })
  }

  /** Says whether a piece is here; one that wrong bytes were seen in is no better than one that is not. */
  async function isHere(piece: PaidPiece): Promise<boolean> {
    const stored = await store.get(piece.cid)
    if (stored === undefined) found(piece, 'its file is missing')
    else if (stored.isDamaged) found(piece, 'wrong bytes were read')
    return stored !== undefined && !stored.isDamaged
  }

  /** Compares a piece with its commitment from an offset on. */
  async function* readWhole(piece: PaidPiece, from: number): AsyncGenerator<number> {
    if (!(await isHere(piece))) return
    try {
      const opened = reader.open(piece.cid, piece.rawSize)
      const commitment = decodePieceCid(piece.cid)
      if (!commitment.ok) return
      const root = rootAbove(await opened.layer(), commitment.commitment.height, nodeHasher)
      if (!Buffer.from(root).equals(commitment.commitment.root)) {
        store.reportWrongRange(piece.cid, 0)
        return found(piece, 'its tree is another piece’s')
      }
      for (let offset = from; offset < piece.rawSize; offset += STEP_BYTES) {
        const size = Math.min(STEP_BYTES, piece.rawSize - offset)
        await opened.read(offset, size)
        yield size
      }
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      if (error.code === 'PIECE_DAMAGED') found(piece, 'wrong bytes were read')
      else if (error.code === 'PIECE_MISSING' || error.code === 'PIECE_NOT_FOUND') found(piece, 'its file is missing')
      // A sector that cannot be read is bytes that are not there any more.
      else if (error.code === 'DISK_FAILED') found(piece, 'the disk cannot read it')
      else throw error
    }
  }

  async function rest(ms: number): Promise<void> {
    if (urgent.size > 0) return
    hurry = new AbortController()
    const both = AbortSignal.any([signal, hurry.signal])
    await clock.sleep(ms, both).catch(() => undefined)
    signal.throwIfAborted()
  }

  async function readUrgent(): Promise<void> {
    for (const name of urgent) {
      urgent.delete(name)
      const piece = held().find(one => one.name === name)
      if (piece === undefined) continue
      for await (const size of readWhole(piece, 0)) {
        await clock.sleep(auditPauseMs(size, 0, 0), signal)
      }
    }
  }

  async function keepReading(): Promise<void> {
    cursor ??= (await options.cursor.read()) ?? { piece: '', offset: 0, passStartedMs: clock.now(), passes: 0 }
    for (;;) {
      signal.throwIfAborted()
      await readUrgent()
      const all = held()
      const totalBytes = all.reduce((sum, { rawSize }) => sum + rawSize, 0)
      const piece = pieceAtCursor(all, cursor)
      if (piece === undefined) {
        if (all.length > 0) {
          onEvent({ kind: 'passed', pieces: all.length, startedMs: cursor.passStartedMs })
          cursor = { piece: '', offset: 0, passStartedMs: clock.now(), passes: cursor.passes + 1 }
          await options.cursor.write(cursor)
        }
        await rest(all.length === 0 ? EMPTY_PAUSE_MS : auditPauseMs(STEP_BYTES, totalBytes, periodMs))
        continue
      }
      await readFromCursor(piece, totalBytes)
    }
  }

  async function readFromCursor(piece: PaidPiece, totalBytes: number): Promise<void> {
    const from = cursor!.piece === piece.name ? cursor!.offset : 0
    cursor = { ...cursor!, piece: piece.name, offset: from }
    let unwritten = 0
    for await (const size of readWhole(piece, from)) {
      cursor = { ...cursor, offset: cursor.offset + size }
      unwritten += size
      if (unwritten >= CURSOR_EVERY_BYTES) {
        await options.cursor.write(cursor)
        unwritten = 0
      }
      await rest(auditPauseMs(size, totalBytes, periodMs))
      await readUrgent()
    }
    // The next name after this one.
    cursor = { ...cursor, piece: `${piece.name}\0`, offset: 0 }
    await options.cursor.write(cursor)
  }

  /** Asks a deal what a round might ask, and checks the answer as a verifier would. */
  async function challenge(deal: Deal): Promise<void> {
    const asked = ownChallengesOf(random(32), deal, state.openings)
    if (asked === undefined) return
    challenges += 1
    for (const one of asked) {
      signal.throwIfAborted()
      const piece = held().find(({ deals }) =>
        deals.some(({ dealId, piece: { id } }) => dealId === deal.id && id === one.pieceId)
      )
      if (piece === undefined || !(await isHere(piece))) continue
      const proofs = await proveChallenges([one], deal.pieces, pieces, nodeHasher, signal).catch((error: unknown) => {
        signal.throwIfAborted()
        if (error instanceof PeerError || error instanceof Error) return undefined
        throw error
      })
      if (proofs !== undefined && checkProofs(deal.pieces, proofs, nodeHasher) === undefined) continue
      // Which bytes it is, and whether it is they, the reading of the whole finds out.
      urgent.add(piece.name)
      hurry.abort()
    }
  }

  /** What the store says by itself: wrong bytes that somebody met while reading, files that are gone. */
  async function lookAtAll(round: AbortSignal): Promise<void> {
    for (const piece of held()) {
      round.throwIfAborted()
      await isHere(piece)
    }
  }

  async function challengeAll(round: AbortSignal): Promise<void> {
    await lookAtAll(round)
    const dealIds = [...(state.dealsByProvider.get(signer.address) ?? [])]
    if (dealIds.length === 0) return
    const spreadMs = (state.parameters.roundMs * SPREAD_PERMILLE) / 1000
    for (const dealId of dealIds) {
      await clock.sleep(spreadMs / (dealIds.length + 1), round)
      const deal = state.deals.get(dealId)
      if (deal !== undefined) await challenge(deal)
    }
  }

  function run(work: () => Promise<void>): void {
    const done: Promise<void> = work()
      .catch(error => {
        if (!signal.aborted) onError(error)
      })
      .finally(() => running.delete(done))
    running.add(done)
  }

  let round = new AbortController()
  function beginRound(): void {
    round.abort()
    round = new AbortController()
    const ended = AbortSignal.any([signal, round.signal])
    run(() => challengeAll(ended).catch(error => (ended.aborted ? undefined : Promise.reject(error))))
  }

  return {
    start() {
      if (endSubscription !== undefined) return
      endSubscription = ledger.subscribe(({ events }) => {
        if (events.some(({ kind }) => PIECE_EVENTS.has(kind))) paid = undefined
        if (events.some(({ kind }) => kind === 'roundOpened')) beginRound()
      })
      run(keepReading)
      beginRound()
    },
    async stop() {
      endSubscription?.()
      ending.abort(new Error('the audit is stopped'))
      await Promise.all(running)
      if (cursor !== undefined) await options.cursor.write(cursor)
    },
    async [Symbol.asyncDispose]() {
      await this.stop()
    },
    progress() {
      const all = held()
      const totalBytes = all.reduce((sum, { rawSize }) => sum + rawSize, 0)
      const read = all.filter(({ name }) => cursor !== undefined && name < cursor.piece)
      const readBytes = read.reduce((sum, { rawSize }) => sum + rawSize, cursor?.offset ?? 0)
      return { passStartedMs: cursor?.passStartedMs, passes: cursor?.passes ?? 0, readBytes, totalBytes, challenges }
    },
    suspect(dealId) {
      for (const { name, deals } of held()) if (deals.some(deal => deal.dealId === dealId)) urgent.add(name)
      hurry.abort()
    }
  }
}
