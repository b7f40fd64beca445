/** Packages that are only here to be measured against; `npm run bench` installs them into tools/bench. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const requireOfBench = createRequire(new URL('../../tools/bench/package.json', import.meta.url))

/** False when the suite was started by something else than `npm run bench`, by its smoke test say. */
export function hasBenchPeers(): boolean {
  try {
    requireOfBench.resolve('ipfs-car')
    return true
  } catch {
    return false
  }
}

/** The part of ipfs-car that its own command `pack` consists of. */
export interface IpfsCar {
  createFileEncoderStream(file: { stream(): ReadableStream<Uint8Array> }): ReadableStream<unknown>
  readonly CAREncoderStream: new (roots: unknown[]) => TransformStream<unknown, Uint8Array>
}

export async function loadIpfsCar(): Promise<IpfsCar> {
  return import(pathToFileURL(requireOfBench.resolve('ipfs-car')).href) as Promise<IpfsCar>
}

export interface Hypercore {
  readonly key: Uint8Array
  readonly length: number
  ready(): Promise<void>
  append(blocks: readonly Uint8Array[]): Promise<void>
  replicate(isInitiator: boolean): NodeJS.ReadWriteStream
  download(range: { start: number; end: number }): { done(): Promise<void> }
  close(): Promise<void>
}

export function loadHypercore(): new (folder: string, key?: Uint8Array) => Hypercore {
  return requireOfBench('hypercore') as new (
    folder: string,
    key?: Uint8Array
  ) => Hypercore
}

/** The program of Foundry that is an Ethereum chain on one machine; undefined where there is no build of it, or none was installed. */
export function findAnvil(): string | undefined {
  try {
    return requireOfBench.resolve('@foundry-rs/anvil-linux-amd64/bin/anvil')
  } catch {
    return undefined
  }
}
