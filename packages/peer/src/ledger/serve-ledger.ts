/** The host's side of the ledger protocols. */
import {
  ledgerEntries,
  ledgerReplicas,
  ledgerSubmit,
  type Receipt,
  refuse,
  replicasOf,
  type ServeOptions,
  type SubmitAnswer,
  serve
} from '@holdfast/core'
import type { Libp2p } from '@libp2p/interface'
import type { LedgerHost } from './host.ts'

/** Serves until the stack is disposed. */
export async function serveLedger(
  services: AsyncDisposableStack,
  node: Pick<Libp2p, 'handle' | 'unhandle'>,
  host: LedgerHost,
  options: ServeOptions
): Promise<void> {
  services.use(
    await serve(
      node,
      ledgerSubmit,
      async ({ command }) => ({ ok: true, value: toWire(await host.submit(command)) }),
      options
    )
  )
  services.use(
    await serve(
      node,
      ledgerEntries,
      async ({ from, waitMs }, { signal }) => {
        if (from > host.state.sequence) {
          return refuse(
            'NO_SUCH_ENTRY',
            `this log holds ${host.state.sequence} entries; a peer that has more knows another one`,
            { length: host.state.sequence }
          )
        }
        return { ok: true, value: await host.entries(from, waitMs, signal) }
      },
      options
    )
  )
  services.use(
    await serve(
      node,
      ledgerReplicas,
      async ({ label }) => ({ ok: true, value: { replicas: replicasOf(host.state, label) } }),
      options
    )
  )
}

function toWire(receipt: Receipt): SubmitAnswer {
  if (receipt.ok) return receipt
  const { code, message, details } = receipt.refusal
  return { ok: false, refusal: { code, message, details: { ...details } } }
}
