/**
 * How often a loss shows: rounds in which the shipped prover proves what it still has, the shipped verifier checks it, and
 * nobody counts anything but the verdicts.
 *
 * A share α of a deal's leaves is overwritten on the "disk", in whole quads, of which the provider has kept every hash: the
 * most that it can do for what it has lost, because the leaves of a quad cannot be proved without each other. (What is lost
 * without that, in single leaves or under a higher cached layer, takes its neighbours' proofs with it and shows more often.)
 * Challenges are drawn with replacement (SPEC.md §5), so each of K draws hits a lost leaf with chance α whatever the others
 * hit, and a round finds the loss with chance exactly 1 − (1 − α)^K; the number of quads is such that α of them is whole.
 */
import {
  challengesOf,
  type Deal,
  type FrozenDeal,
  faultOfProofs,
  type PieceChallenge,
  type PieceReader,
  proveChallenges
} from '@holdfast/core'
import { createPieceHasher, leafCountOf, type NodeHasher, type PieceDigest, sumLeafCounts } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'

/** Quads of a deal's pieces, 1000 together: 0.1 % is one of them. */
const QUADS_OF_PIECES = [500, 300, 200] as const
/** 254 bits are a leaf; so four of them are 127 bytes. */
const BYTES_PER_QUAD = 127
const LEAVES_PER_QUAD = 4
/** The layer of the quads' own nodes. */
const QUAD_LAYER_HEIGHT = 2

export const LOST_PERMILLES = [1, 10, 50, 200] as const
export const LEAVES_PER_ROUND = [5, 20, 100] as const

export interface Cell {
  readonly lostPermille: number
  readonly leavesPerRound: number
}

export const CELLS: readonly Cell[] = LOST_PERMILLES.flatMap(lostPermille =>
  LEAVES_PER_ROUND.map(leavesPerRound => ({ lostPermille, leavesPerRound }))
)

export interface CellResult extends Cell {
  readonly rounds: number
  readonly detected: number
  readonly expected: number
  /** Deviation from the formula in standard deviations of a binomial. */
  readonly z: number
  /** Rounds in which a good proof was found bad, or a lost leaf was asked for and not missed. */
  readonly wrongVerdicts: number
}

export interface StoredPiece extends PieceDigest {
  readonly id: number
  readonly bytes: Uint8Array
}

/** Everything that follows from a text, as often as it is asked. */
const bytesOf = (text: string): Uint8Array => sha256(utf8ToBytes(text))

/** The pieces of a seed: what a provider stored, before it lost any of it. */
export function makePieces(seed: string, nodeHasher: NodeHasher): StoredPiece[] {
  return QUADS_OF_PIECES.map((quads, id) => {
    const sizeBytes = quads * BYTES_PER_QUAD
    const blocks = Array.from({ length: Math.ceil(sizeBytes / 32) }, (_, index) => bytesOf(`${seed}/${id}/${index}`))
    const bytes = concatBytes(...blocks).subarray(0, sizeBytes)
    const hasher = createPieceHasher({ nodeHasher, cachedLayerHeight: QUAD_LAYER_HEIGHT })
    hasher.update(bytes)
    return { id, bytes, ...hasher.digest() }
  })
}

/** Draws so many of the first `all` numbers, each set of them with the same chance. */
function drawDistinct(seed: string, count: number, all: number): Set<number> {
  const drawn = new Set<number>()
  for (let index = 0; drawn.size < count; index += 1)
    drawn.add(Number(new DataView(bytesOf(`${seed}/${index}`).buffer).getBigUint64(0) % BigInt(all)))
  return drawn
}

/** A deal whose provider has lost something, ready to be asked. */
function loseFrom(stored: readonly StoredPiece[], seed: string, { lostPermille, leavesPerRound }: Cell) {
  const pieces = stored.map(piece => ({ ...piece, bytes: piece.bytes.slice() }))
  const leafCounts = pieces.map(({ rawSize }) => leafCountOf(rawSize))
  const leafCount = leafCounts.reduce((sum, count) => sum + count, 0)
  const quads = pieces.flatMap(({ id }, index) =>
    Array.from({ length: leafCounts[index]! / LEAVES_PER_QUAD }, (_, quad) => ({ id, quad }))
  )
  const lost = new Set<string>()
  for (const place of drawDistinct(`${seed}/lost`, (quads.length * lostPermille) / 1000, quads.length)) {
    const { id, quad } = quads[place]!
    pieces[id]!.bytes.fill(0, quad * BYTES_PER_QUAD, (quad + 1) * BYTES_PER_QUAD)
    lost.add(`${id}/${quad}`)
  }
  const deal: Pick<FrozenDeal, 'dealId' | 'leafCount' | 'leavesPerRound' | 'pieceIds' | 'sums'> = {
    dealId: 1,
    leafCount,
    leavesPerRound,
    pieceIds: pieces.map(({ id }) => id),
    sums: sumLeafCounts(leafCounts)
  }
  const reader: PieceReader = {
    async open(cid) {
      const piece = pieces.find(one => one.cid.equals(cid))
      return (
        piece && {
          layer: piece.layer,
          read: async (offset, size) => piece.bytes.subarray(offset, offset + size),
          [Symbol.asyncDispose]: async () => undefined
        }
      )
    }
  }
  const isLost = (challenges: readonly PieceChallenge[]) =>
    challenges.some(({ pieceId, leafIndices }) =>
      leafIndices.some(leaf => lost.has(`${pieceId}/${Math.floor(leaf / LEAVES_PER_QUAD)}`))
    )
  return { deal, reader, isLost, pieces: pieces as readonly unknown[] as Deal['pieces'] }
}

/** Plays one cell. @param seed - everything follows from it and from what was stored */
export async function playCell(
  stored: readonly StoredPiece[],
  seed: string,
  cell: Cell,
  rounds: number,
  nodeHasher: NodeHasher
): Promise<CellResult> {
  const name = `${seed}/${cell.lostPermille}/${cell.leavesPerRound}`
  const { deal, reader, isLost, pieces } = loseFrom(stored, name, cell)
  const { signal } = new AbortController()
  let detected = 0
  let wrongVerdicts = 0
  for (let round = 0; round < rounds; round += 1) {
    const challenges = challengesOf(bytesOf(`${name}/round/${round}`), deal)
    const proofs = await proveChallenges(challenges, pieces, reader, nodeHasher, signal)
    const isFound = proofs === undefined || faultOfProofs({ challenges, pieces }, proofs, nodeHasher) !== undefined
    if (isFound) detected += 1
    if (isFound !== isLost(challenges)) wrongVerdicts += 1
  }
  const expected = chanceOf(cell)
  const z = (detected - expected * rounds) / Math.sqrt(rounds * expected * (1 - expected))
  return { ...cell, rounds, detected, expected, z, wrongVerdicts }
}

/** Of finding a loss in one round: 1 − (1 − α)^K. */
export function chanceOf({ lostPermille, leavesPerRound }: Cell): number {
  return 1 - (1 - lostPermille / 1000) ** leavesPerRound
}
