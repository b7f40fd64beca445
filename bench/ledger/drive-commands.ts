/** Gives commands to a host as streams would: encoded requests go in, encoded answers come out. */
import { type Command, type EnvelopeTerms, ledgerSubmit } from '@holdfast/core'
import type { LedgerHost } from '@holdfast/peer'
import { decodeRequest, encodeReply, encodeRequest } from '../../packages/core/src/protocols/envelope.ts'
import type { BenchNetwork } from './bench-network.ts'

export interface Driven {
  readonly seconds: number
  /** Of this process, all threads. */
  readonly cpuSeconds: number
  /** Milliseconds from request to answer. */
  readonly p50: number
  readonly p99: number
}

export function encodeSubmit({ networkId }: BenchNetwork, command: Command): Uint8Array {
  return encodeRequest(ledgerSubmit, { networkId }, { command })
}

/** @returns what answers one request; throws for a command that was refused */
export function answererOf({ networkId }: BenchNetwork, host: LedgerHost) {
  const terms: EnvelopeTerms = { networkId, heads: host.headExchange }
  return async (request: Uint8Array): Promise<Uint8Array> => {
    const message = decodeRequest(ledgerSubmit, terms, request)
    if (!message.ok) throw new Error(message.message)
    const receipt = await host.submit(message.value.command)
    if (!receipt.ok) throw new Error(receipt.refusal.message)
    return encodeReply(ledgerSubmit, ledgerSubmit.response, terms, { ok: true, value: receipt })
  }
}

/** Answers all of them, with a fixed number under way at any time. */
export async function driveInFlight(
  requests: readonly Uint8Array[],
  inFlight: number,
  answer: (request: Uint8Array) => Promise<unknown>
): Promise<Driven> {
  const latencies: number[] = []
  let next = 0
  const work = async () => {
    while (next < requests.length) {
      const request = requests[next]!
      next += 1
      const before = performance.now()
      await answer(request)
      latencies.push(performance.now() - before)
    }
  }
  const cpuBefore = process.cpuUsage()
  const before = performance.now()
  await Promise.all(Array.from({ length: inFlight }, work))
  const { user, system } = process.cpuUsage(cpuBefore)
  const seconds = (performance.now() - before) / 1000
  return { seconds, cpuSeconds: (user + system) / 1e6, ...quantilesOf(latencies) }
}

export function quantilesOf(latencies: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}
