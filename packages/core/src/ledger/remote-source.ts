/** The host's ledger over libp2p: what a follower reads and submits through. */
import type { Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { CoreError } from '../error.ts'
import { ENTRIES_WAIT_MS_MAX, ledgerEntries, ledgerHead, ledgerSubmit } from '../protocols/definitions.ts'
import { request } from '../protocols/engine.ts'
import type { HeadExchange } from '../protocols/envelope.ts'
import type { Answer } from '../protocols/protocol.ts'
import type { LedgerSource } from './follower.ts'
import type { Receipt } from './ledger.ts'

/** How to reach the ledger host of a network. */
export interface HostConnection {
  readonly node: Pick<Libp2p, 'dialProtocol'>
  readonly networkId: Uint8Array
  readonly host: Multiaddr[]
  /** Other peers that keep the log, each by its addresses: asked when the host gives no answer. */
  readonly followers?: readonly Multiaddr[][]
  /** What is told of heads that come with answers, and gives those that go with requests. */
  readonly heads?: HeadExchange
}

export function createRemoteSource({ node, networkId, host, heads }: HostConnection): LedgerSource {
  return {
    async entries(from, signal, isWaiting = true) {
      const message = { from, waitMs: isWaiting ? ENTRIES_WAIT_MS_MAX : 0 }
      let head: Uint8Array | undefined
      // The follower compares it with its own log; only what that cannot do goes on to the watch.
      const listening: HeadExchange = {
        latest: () => heads?.latest(),
        saw(bytes) {
          head = bytes
        }
      }
      const answer = await request(node, host, ledgerEntries, message, { networkId, signal, heads: listening })
      if (answer.kind === 'refused' && answer.code === 'NO_SUCH_ENTRY') {
        throw new CoreError('LOG_INVALID', `the host has lost entries that it gave out before: ${answer.message}`, {
          from
        })
      }
      return { ...hostAnswer(answer), head }
    },
    async head(number, signal) {
      const message = number === undefined ? {} : { number }
      const answer = await request(node, host, ledgerHead, message, { networkId, signal, ...(heads && { heads }) })
      if (answer.kind === 'refused' && answer.code === 'NO_SUCH_HEAD') return undefined
      return hostAnswer(answer).head
    },
    async submit(command, signal) {
      // The refusal crossed the wire as text; the codes are those of the rules that the host runs.
      return hostAnswer(
        await request(
          node,
          host,
          ledgerSubmit,
          { command },
          {
            networkId,
            ...(signal !== undefined && { signal }),
            ...(heads !== undefined && { heads })
          }
        )
      ) as Receipt
    }
  }
}

/** @throws {CoreError} `LEDGER_UNREACHABLE`, with what the host said if it said anything */
export function hostAnswer<T>(answer: Answer<T>): T {
  if (answer.kind === 'answer') return answer.value
  const reason = answer.kind === 'refused' ? `${answer.code}: ${answer.message}` : answer.reason
  throw new CoreError('LEDGER_UNREACHABLE', `the ledger host gives no answer (${reason})`, { code: answer.code })
}
