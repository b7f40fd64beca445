import { bytesOf, type ContentSource, entriesOf, isCar } from './content-source.ts'
import { type PackedContent, type PackOptions, packContent } from './pack.ts'
import { packCar } from './pack-car.ts'

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
