/**
 * drand's public chain as the source of a network's beacon: fetched from relays that nobody has to trust, because every
 * signature is verified with the chain's key before it is handed on.
 */
import { hexToBytes } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { CoreError } from '../error.ts'
import { BEACON_SIGNATURE_SIZE_BYTES, type Beacon, verifyBeaconSignature } from './beacon.ts'

/** The League of Entropy's chain of this scheme: a signature every 3 seconds, by a threshold of its members. */
export const QUICKNET = {
  chainHash: '52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971',
  publicKey:
    '83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a',
  genesisMs: 1_692_803_367_000,
  periodMs: 3_000
} as const

/** Public relays of the League of Entropy, by different operators. */
export const QUICKNET_RELAYS: readonly string[] = [
  'https://api.drand.sh',
  'https://api2.drand.sh',
  'https://drand.cloudflare.com'
]

/** A relay that takes longer is left for the next: a round's signature is 96 digits. */
export const RELAY_TIMEOUT_MS = 5_000
/** An answer is a few hundred bytes; more is not read. */
const ANSWER_SIZE_BYTES_MAX = 4 * 1024

const answerSchema = z.object({
  round: z.int().min(1),
  signature: z.string().regex(new RegExp(`^[0-9a-f]{${BEACON_SIGNATURE_SIZE_BYTES * 2}}$`))
})

export interface DrandOptions {
  /** Where relays answer, in the order in which they are asked; the one that answered last is asked first. */
  readonly relays: readonly string[]
  readonly chainHash: string
  /** 96 bytes: the key of the chain. */
  readonly publicKey: Uint8Array
  readonly fetch: typeof globalThis.fetch
}

/** @returns a beacon that rejects with `BEACON_UNAVAILABLE` when no relay has a round; asking again later is up to the caller */
export function createDrandBeacon({ relays, chainHash, publicKey, fetch }: DrandOptions): Beacon {
  const line = [...relays]

  /** @param round - undefined for the newest */
  async function askRelay(
    relay: string,
    round: number | undefined,
    signal: AbortSignal | undefined
  ): Promise<{ readonly round: number; readonly signature: Uint8Array }> {
    const deadline = new AbortController()
    const cut = () => deadline.abort(signal?.reason)
    signal?.addEventListener('abort', cut, { once: true })
    const timer = setTimeout(() => deadline.abort(new Error('no answer in time')), RELAY_TIMEOUT_MS)
    try {
      const answer = await fetch(new URL(`/${chainHash}/public/${round ?? 'latest'}`, relay), {
        signal: deadline.signal,
        redirect: 'error'
      })
      if (!answer.ok) throw new Error(`answered ${answer.status}`)
      const parsed = answerSchema.safeParse(JSON.parse(await readText(answer)))
      if (!parsed.success) throw new Error('answered something else')
      const signature = hexToBytes(parsed.data.signature)
      const isOther = round !== undefined && parsed.data.round !== round
      if (isOther || !verifyBeaconSignature(publicKey, parsed.data.round, signature))
        throw new Error('gave a signature that is not the chain’s')
      return { round: parsed.data.round, signature }
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', cut)
    }
  }

  async function askAny(round: number | undefined, signal: AbortSignal | undefined) {
    const reasons: string[] = []
    for (const relay of [...line]) {
      signal?.throwIfAborted()
      try {
        const answer = await askRelay(relay, round, signal)
        line.unshift(...line.splice(line.indexOf(relay), 1))
        return answer
      } catch (error) {
        signal?.throwIfAborted()
        reasons.push(`${relay}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    throw new CoreError(
      'BEACON_UNAVAILABLE',
      `no relay of the beacon gave ${round === undefined ? 'its newest round' : `its round ${round}`} (${reasons.join('; ')}); it is asked again`,
      round === undefined ? {} : { round }
    )
  }

  return {
    signatureOf: async (round, { signal } = {}) => (await askAny(round, signal)).signature,
    newestRound: async ({ signal } = {}) => (await askAny(undefined, signal)).round
  }
}

async function readText(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of answer.body ?? []) {
    sizeBytes += chunk.length
    if (sizeBytes > ANSWER_SIZE_BYTES_MAX) throw new Error(`answered more than ${ANSWER_SIZE_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return new TextDecoder().decode(await new Blob(chunks as BlobPart[]).arrayBuffer())
}
