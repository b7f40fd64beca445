import { bytesOf, type ContentSource, entriesOf, isCar } from './content-source.ts'
import {
  type LaidOutContent,
  type LayOutOptions,
  layOutContent,
  type PackedContent,
  type PackOptions,
  packContent
} from './pack.ts'
import { layOutCar, packCar } from './pack-car.ts'

export interface PackSourceOptions extends Omit<PackOptions, 'source'> {
  readonly source: ContentSource
}

/**
 * Packs whatever a `ContentSource` is: `packCar` for a CAR, `packContent` for all else. A CAR keeps its own profile.
 *
 * @throws what these throw
 */
export function packSource({ source, ...options }: PackSourceOptions): Promise<PackedContent> {
  return isCar(source)
    ? packCar({ ...options, car: bytesOf(source.car) })
    : packContent({ ...options, source: entriesOf(source) })
}

export interface LayOutSourceOptions extends Omit<LayOutOptions, 'source'> {
  readonly source: ContentSource
}

/** `packSource` without commitments, for sinks that store other bytes than they are given. */
export function layOutSource({ source, ...options }: LayOutSourceOptions): Promise<LaidOutContent> {
  return isCar(source)
    ? layOutCar({ ...options, car: bytesOf(source.car) })
    : layOutContent({ ...options, source: entriesOf(source) })
}
