/** The vectors of other implementations, and the generators that make their bytes. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

export interface CommitmentVector {
  generator: string
  rawSize: number
  height: number
  paddedSize: number
  padding: number
  leafCount: number
  root: string
  pieceCidV1: string
  pieceCidV2: string
  pieceCidV2Hex: string
}

export interface LeafProofVector {
  generator: string
  rawSize: number
  root: string
  leafIndex: number
  leaf: string
  proof: string[]
}

export interface AcceptedVector {
  version: string
  setId: string
  seed: string
  leafCount: string
  pieces: { pieceId: number; rawSize: number; generator: string; pieceCidV2: string; leafCount: string }[]
  challenges: { i: number; leafIndex: string; pieceId: string; offset: string; leaf: string; proof: string[] }[]
  provePossessionCalldata: string
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./vectors/${name}`, import.meta.url), 'utf8')) as T
}

export const commitments = read<{
  vectors: CommitmentVector[]
  fr32: { name: string; in: string; out: string }[]
  zeroComms: string[]
  proofs: LeafProofVector[]
}>('commp-vectors.json')

export const pdp = read<{
  challenges: { seed: string; setId: string; leafCount: string; indices: string[] }[]
  accepted: AcceptedVector[]
}>('pdp-proof-vectors.json')

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/^0x/, ''), 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Streams that were made already: most vectors begin with the same bytes. */
const streams = new Map<string, Uint8Array>()

/** The counter-mode SHA-256 stream of the vectors: bytes that look like chance and can be made again. Not to be written. */
export function counterBytes(size: number, seed = 'commp-vector-v1'): Uint8Array {
  let stream = streams.get(seed) ?? new Uint8Array()
  if (stream.length < size) {
    stream = makeCounterBytes(size, seed)
    streams.set(seed, stream)
  }
  return stream.subarray(0, size)
}

function makeCounterBytes(size: number, seed: string): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(size / 32) * 32)
  const counter = new Uint8Array(8)
  for (let block = 0; block * 32 < size; block++) {
    new DataView(counter.buffer).setBigUint64(0, BigInt(block))
    bytes.set(createHash('sha256').update(seed).update(counter).digest(), block * 32)
  }
  return bytes
}

/** The bytes of a vector's generator: `ctr`, `zero`, `cc`, or `ctr, seed '…'`. */
export function generate(generator: string, size: number): Uint8Array {
  const seed = /^ctr, seed '(.+)'$/.exec(generator)?.[1]
  if (seed !== undefined) return counterBytes(size, seed)
  if (generator === 'ctr') return counterBytes(size)
  return new Uint8Array(size).fill(generator === 'cc' ? 0xcc : 0)
}
