/** What a peer that holds the log does for others: it takes commands, gives out entries, heads and proofs, and finds replicas. */
import {
  type Command,
  CoreError,
  createLabelIndex,
  type Ledger,
  type LedgerState,
  ledgerEntries,
  ledgerReplicas,
  ledgerSubmit,
  type Receipt,
  refuse,
  replicasOf,
  type ServeOptions,
  type SubmitAnswer,
  serve,
  serveLogProofs
} from '@holdfast/core'
import type { Libp2p } from '@libp2p/interface'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { LogReader } from './log-reader.ts'

/** A host, or a follower that keeps the log and relays to the host. */
export interface ServedLedger extends LogReader, Pick<Ledger, 'subscribe'> {
  readonly state: LedgerState
  submit(command: Command, options: { readonly signal: AbortSignal }): Promise<Receipt>
  /** What a peer that only passes commands on signs when the host leaves one unanswered. */
  seen?(command: Command): Uint8Array
}

/** Serves until the stack is disposed. */
export async function serveLedger(
  services: AsyncDisposableStack,
  node: Pick<Libp2p, 'handle' | 'unhandle'>,
  ledger: ServedLedger,
  options: ServeOptions
): Promise<void> {
  services.use(
    await serve(
      node,
      ledgerSubmit,
      async ({ command }, { signal }) => {
        try {
          return { ok: true, value: toWire(await ledger.submit(command, { signal })) }
        } catch (error) {
          const isSilence = error instanceof CoreError && error.code === 'LEDGER_UNREACHABLE'
          if (!isSilence || ledger.seen === undefined) throw error
          return refuse('HOST_SILENT', `passed on to the ledger host, without an answer: ${error.message}`, {
            receipt: ledger.seen(command)
          })
        }
      },
      options
    )
  )
  services.use(
    await serve(
      node,
      ledgerEntries,
      async ({ from, waitMs }, { signal }) => {
        const { length } = ledger
        if (from > length) {
          return refuse('NO_SUCH_ENTRY', `this log holds ${length} entries; a peer that has more knows another one`, {
            length
          })
        }
        return { ok: true, value: await ledger.entries(from, waitMs, signal) }
      },
      options
    )
  )
  services.use(await serveLogProofs(node, ledger, options))
  const index = services.use(createLabelIndex(ledger))
  services.use(
    await serve(
      node,
      ledgerReplicas,
      async ({ label }) => ({
        ok: true,
        value: { replicas: replicasOf(ledger.state, label, index.dealsWith(bytesToHex(label))) }
      }),
      options
    )
  )
}

function toWire(receipt: Receipt): SubmitAnswer {
  if (receipt.ok) return receipt
  const { code, message, details } = receipt.refusal
  return { ok: false, refusal: { code, message, details: { ...details } } }
}
