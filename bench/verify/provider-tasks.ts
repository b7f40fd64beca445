/** The provider of the verify rows: a piece store on disk, and the prover that the peer runs. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { createProver, machineClock, type Prover, pushProofs, serve } from '@holdfast/core'
import { chooseNodeHasher, createPieceStore, type PieceStore, wasmSignatureVerifier } from '@holdfast/peer'
import { decodePieceCid, proveEachLeaf } from '@holdfast/proofs'
import { Level } from 'level'
import { CID } from 'multiformats/cid'
import { createStorePieceReader } from '../../packages/peer/dist/provider/piece-reader.js'
import { createStreamRequester } from '../../packages/peer/dist/roles/components.js'
import type { Task } from '../data/measured-process.ts'
import { MIB, seededBytes } from '../harness.ts'
import { askLeaf, startBenchNode } from './bench-node.ts'
import { type BenchPiece, createProvingNetwork, type ProvingNetwork, type ProvingTurn } from './proving-network.ts'

const CAPACITY_BYTES = 8 * 1024 * MIB

export const verifyProvider: Task = async () => {
  const nodeHasher = await chooseNodeHasher()
  const tools = { signatures: wasmSignatureVerifier, nodeHasher }
  const node = await startBenchNode('provider')
  let store: PieceStore | undefined
  let network: ProvingNetwork | undefined
  let prover: Prover | undefined
  const errors: unknown[] = []
  let life = new AsyncDisposableStack()

  async function fill(one: PieceStore, sizeBytes: number, seed: number): Promise<BenchPiece> {
    const received = await one.receive({ sizeBytes })
    if (!received.ok || 'piece' in received) throw new Error('no room for the pieces of the bench')
    for (let offset = 0; offset < sizeBytes; offset += MIB)
      await received.writer.write(seededBytes(Math.min(MIB, sizeBytes - offset), seed + offset / 64))
    const { cid, rawSize } = await received.writer.commit()
    return { cid: cid.toString(), rawSize }
  }

  return {
    addresses: async () => node.addresses(),
    /** Writes the pieces, of bytes that look like chance. */
    async prepare({ folder, sizes }: { readonly folder: string; readonly sizes: readonly number[] }) {
      const level = new Level<string, string>(join(folder, 'index'))
      const directory = join(folder, 'pieces')
      store = createPieceStore({ directory, level, capacityBytes: CAPACITY_BYTES, nodeHasher, clock: machineClock })
      await store.start()
      const pieces: BenchPiece[] = []
      for (const [index, sizeBytes] of sizes.entries()) pieces.push(await fill(store, sizeBytes, 1 + index * 1_000_003))
      await serveLeaves(store)
      return pieces
    },
    /** Everything but the round that is timed. */
    async begin(turn: ProvingTurn) {
      await prover?.stop()
      await life.disposeAsync()
      life = new AsyncDisposableStack()
      network = await createProvingNetwork(turn, tools)
      const { ledger, provider: signer, networkId } = network
      prover = createProver({
        ledger,
        signer,
        pieces: createStorePieceReader(store!),
        nodeHasher,
        clock: machineClock,
        random: sizeBytes => new Uint8Array(randomBytes(sizeBytes)),
        push: createStreamRequester(life, { node, serveOptions: { networkId } }, pushProofs),
        onError: error => errors.push(error)
      })
      prover.start()
    },
    /** The round opens; the prover does the rest by itself. */
    async open() {
      network!.open()
    },
    errors: async () => errors.map(String)
  }

  async function serveLeaves(pieces: PieceStore): Promise<void> {
    const reader = createStorePieceReader(pieces)
    await serve(
      node.libp2p,
      askLeaf,
      async ({ piece, leafIndex }) => {
        const cid = CID.parse(piece)
        const commitment = decodePieceCid(cid)
        await using opened = await reader.open(cid)
        if (!commitment.ok || opened === undefined) return { ok: false, code: 'NO_PIECE', message: piece }
        const { layer, read } = opened
        const [proof] = await proveEachLeaf({
          read,
          commitment: commitment.commitment,
          layer,
          nodeHasher,
          leafIndices: [leafIndex]
        })
        return { ok: true, value: proof! }
      },
      { networkId: new Uint8Array(32) }
    )
  }
}
