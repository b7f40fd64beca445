/** Providers that sign everything, keep what they take in memory and give it back: what a client sees of good ones. */
import { createPieceHasher, portableNodeHasher } from '@holdfast/proofs'
import type { Libp2p } from 'libp2p'
import type { Signer } from '../../src/identity.ts'
import { proposeDeal, readRange, storePiece } from '../../src/protocols/definitions.ts'
import { serveDownload } from '../../src/protocols/download.ts'
import { serve } from '../../src/protocols/engine.ts'
import { refuse } from '../../src/protocols/protocol.ts'
import { serveUpload } from '../../src/protocols/upload.ts'
import { PROVIDERS, TestNetwork } from '../ledger/network-fixture.ts'
import { createNode } from '../protocols/network.ts'

export interface MemoryProvider {
  readonly signer: Signer
  readonly node: Libp2p
  /** By PieceCID. */
  readonly pieces: Map<string, Uint8Array>
  /** Its process is gone. */
  stop(): Promise<void>
}

/** A network, the node of a client, and providers; each is dearer than the one before it, and so chosen after it. */
export async function openMemoryNetwork(life: AsyncDisposableStack, count: number) {
  const network = new TestNetwork({ money: { uncollateralisedBytesMax: 10 ** 9 } })
  const node = await createNode()
  life.defer(() => node.stop())
  const providers: MemoryProvider[] = []
  for (const [index, signer] of PROVIDERS.slice(0, count).entries())
    providers.push(await openMemoryProvider(life, network, signer, index))
  return { network, node, providers }
}

async function openMemoryProvider(
  life: AsyncDisposableStack,
  network: TestNetwork,
  signer: Signer,
  index: number
): Promise<MemoryProvider> {
  const node = await createNode()
  life.defer(() => node.stop())
  const options = { networkId: network.state.networkId }
  const pieces = new Map<string, Uint8Array>()
  life.use(
    await serve(
      node,
      proposeDeal,
      async ({ kind, statement }) => ({
        ok: true,
        value: { acceptance: network.accept(signer, kind, statement) }
      }),
      options
    )
  )
  life.use(
    await serveUpload(
      node,
      storePiece,
      async () => {
        const chunks: Uint8Array[] = []
        return {
          ok: true,
          value: {
            offset: 0,
            write: async chunk => void chunks.push(chunk.slice()),
            async finish() {
              const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
              for (const chunk of chunks) hasher.update(chunk)
              const { cid, rawSize } = hasher.digest()
              pieces.set(cid.toString(), Buffer.concat(chunks))
              return { ok: true, value: { cid, rawSize } }
            },
            abort: async () => undefined
          }
        }
      },
      options
    )
  )
  life.use(
    await serveDownload(
      node,
      readRange,
      async ({ piece, offset, length }) => {
        const bytes = pieces.get(piece.toString())
        if (bytes === undefined) return refuse('NO_PIECE', 'I do not have it')
        async function* chunks() {
          yield bytes!.slice(offset, offset + length)
        }
        return { ok: true, value: { header: { offset, length, nodes: new Uint8Array() }, chunks: chunks() } }
      },
      options
    )
  )
  await network.take(
    network.ask(signer, {
      addresses: node.getMultiaddrs().map(String),
      pricePerLeafRound: 100n + BigInt(index),
      capacityBytes: 10 ** 9
    })
  )
  return { signer, node, pieces, stop: async () => void (await node.stop()) }
}
