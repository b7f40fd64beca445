/**
 * Where the pieces of a private object lie: by the labels that follow from its reference, which the ledger maps to deals.
 *
 * Whoever can read the ledger can put other bytes under a label, in a deal that he pays for himself. What is found is
 * therefore a hint: bytes that are not the object do not authenticate, and another replica is asked.
 */
import { decodePieceCid, type NodeHasher } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { LastUsed } from '../content/index.ts'
import { CoreError } from '../error.ts'
import type { StatementDigest } from '../ledger/statements.ts'
import {
  deriveLabel,
  deriveLabelKey,
  deriveObjectKeys,
  type LocatedPiece,
  type ObjectReference,
  type PieceReplica,
  type ReadPermission,
  type RepairKey,
  type ReplicaLayout,
  type ReplicaPlace,
  signReadPermission
} from '../pieces/index.ts'
import type { Replica } from '../protocols/definitions.ts'
import type { Address } from '../schema.ts'
import { rankForReading } from './fetch-blocks.ts'
import { createMeasurements } from './measurements.ts'
import { type RangeComponents, readPieceRange } from './read-piece-range.ts'

/** Says who stores pieces under a label: the ledger's host, or a ledger that is followed. */
export type FindReplicas = (label: Uint8Array, signal?: AbortSignal) => Promise<readonly Replica[]>

/** Labels that are asked for at once. Replicas that were lost and made again leave gaps, but not so many in a row. */
const LABELS_AT_ONCE = 4

/** Replicas are not looked for beyond this number. */
const REPLICAS_LOOKED_FOR_MAX = 64

export interface LocateComponents extends RangeComponents {
  readonly find: FindReplicas
  readonly digestOf: StatementDigest
  /** The account of this peer: permissions are for it. */
  readonly reader: Address
  /** Last round for which permissions may be given now. */
  readonly validUntilRound: () => number
  /** Binds what is read to the pieces that are paid for, by range proofs, in addition to what authenticates the content. */
  readonly nodeHasher?: NodeHasher | undefined
}

/** One replica of one piece, at one provider. */
export interface PieceAtProvider {
  readonly place: ReplicaPlace
  readonly cid: CID
  readonly sizeBytes: number
  readonly dealId: number
  readonly provider: Address
  readonly addresses: readonly string[]
}

/** Finds a piece's replicas, in the order of their numbers. */
export async function findPiece(
  find: FindReplicas,
  { repairKey, layout }: { readonly repairKey: RepairKey; readonly layout: ReplicaLayout },
  piece: number,
  signal?: AbortSignal
): Promise<PieceAtProvider[]> {
  const found: PieceAtProvider[] = []
  const step = layout === 'identical' ? 1 : LABELS_AT_ONCE
  const end = layout === 'identical' ? 1 : REPLICAS_LOOKED_FOR_MAX
  for (let from = 0; from < end; from += step) {
    const places = Array.from({ length: step }, (_, index) => ({ replica: from + index, piece }))
    const batch = await Promise.all(
      places.map(async place => toPieces(place, await find(deriveLabel(repairKey, place), signal)))
    )
    found.push(...batch.flat())
    if (batch.flat().length === 0) break
  }
  return found
}

function toPieces(place: ReplicaPlace, replicas: readonly Replica[]): PieceAtProvider[] {
  return replicas.flatMap(({ dealId, provider, addresses, pieces }) =>
    pieces.flatMap(cid => {
      const decoded = decodePieceCid(cid.bytes)
      if (!decoded.ok) return []
      return [{ place, cid, sizeBytes: decoded.commitment.rawSize, dealId, provider, addresses }]
    })
  )
}

/**
 * Makes `locatePiece` of `openPrivateObject`.
 *
 * @param onUse - told which provider is behind a source that is asked, so that its failure is the provider's
 */
export function createPieceLocator(
  components: LocateComponents,
  reference: Pick<ObjectReference, 'secret' | 'layout'>,
  onUse: (piece: PieceAtProvider, source: string) => void = () => undefined
): (piece: number, signal?: AbortSignal) => Promise<readonly LocatedPiece[]> {
  const { repairKey } = deriveObjectKeys(reference.secret)
  const { measurements = createMeasurements(), withoutWeb = new Set() } = components
  const reading = { ...components, withoutWeb }
  const permit = createPermits(components, repairKey)
  return async (piece, signal) => {
    const found = await findPiece(components.find, { repairKey, layout: reference.layout }, piece, signal)
    if (found.length === 0)
      throw new CoreError('NOT_STORED', `nobody is paid to store piece ${piece} of this object any more`, { piece })
    return bySize(found).map(alike => ({
      sizeBytes: alike[0]!.sizeBytes,
      replicas: () => rankForReading(alike, measurements).map(one => toReplica(reading, permit, one, onUse))
    }))
  }
}

/** What was found, those of one size together: first the size that most replicas have. A stranger's may be another one. */
function bySize(found: readonly PieceAtProvider[]): PieceAtProvider[][] {
  return [...Map.groupBy(found, ({ sizeBytes }) => sizeBytes).values()].sort(
    (a, b) => countPlaces(b) - countPlaces(a) || a[0]!.dealId - b[0]!.dealId
  )
}

function countPlaces(pieces: readonly PieceAtProvider[]): number {
  return new Set(pieces.map(({ place }) => place.replica)).size
}

/** Permissions that are kept: a reader of ranges asks some providers for some pieces, over and over. */
const PERMISSIONS_KEPT_MAX = 256

/** Signs that this peer may read a replica at its provider. */
export type Permit = (found: Pick<PieceAtProvider, 'place' | 'provider'>) => ReadPermission

/** What was signed is given again for as long as it would be the same: a signature takes as long as the range does. */
export function createPermits(
  { reader, digestOf, validUntilRound }: Pick<LocateComponents, 'reader' | 'digestOf' | 'validUntilRound'>,
  repairKey: RepairKey
): Permit {
  const permissions = new LastUsed<ReadPermission>({ weightMax: PERMISSIONS_KEPT_MAX, weightOf: () => 1 })
  return ({ place, provider }) => {
    const terms = { provider, reader, validUntilRound: validUntilRound() }
    const key = `${place.replica}/${place.piece}/${provider}/${terms.validUntilRound}`
    const known = permissions.get(key)
    if (known !== undefined) return known
    const permission = signReadPermission(deriveLabelKey(repairKey, place), terms, digestOf)
    permissions.set(key, permission)
    return permission
  }
}

/** What was found, as something to read from. */
export function toReplica(
  components: RangeComponents & Pick<LocateComponents, 'reader' | 'nodeHasher'>,
  permit: Permit,
  found: PieceAtProvider,
  onUse: (piece: PieceAtProvider, source: string) => void = () => undefined
): PieceReplica {
  const { provider, addresses, place, cid, dealId } = found
  const source = `${dealId}/${cid}`
  const { reader, nodeHasher } = components
  return {
    replica: place.replica,
    source,
    read(offset, length, { signal }) {
      onUse(found, source)
      const permission = permit(found)
      return readPieceRange(components, {
        provider,
        addresses,
        piece: cid,
        offset,
        length,
        permission,
        reader,
        nodeHasher,
        signal
      })
    }
  }
}
