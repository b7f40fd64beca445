/** The verifier of the verify rows: the one that the peer runs, with its transcripts on disk. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import {
  createVerifier,
  machineClock,
  parsePeerAddresses,
  pushProofs,
  request,
  serveRequests,
  type Verifier
} from '@holdfast/core'
import { chooseNodeHasher, createSignaturePool, wasmSignatureVerifier } from '@holdfast/peer'
import { leafCountOf, parsePieceCid, verifyLeaf } from '@holdfast/proofs'
import { createTranscriptStore } from '../../packages/peer/dist/verifier/transcript-store.js'
import type { Task } from '../data/measured-process.ts'
import { askLeaf, startBenchNode } from './bench-node.ts'
import { type BenchPiece, createProvingNetwork, type ProvingTurn } from './proving-network.ts'

export interface Attested {
  readonly passes: number
  readonly deals: number
  readonly leaves: number
}

export const verifyVerifier: Task = async () => {
  const nodeHasher = await chooseNodeHasher()
  const tools = { signatures: wasmSignatureVerifier, nodeHasher }
  const node = await startBenchNode('verifier')
  let life = new AsyncDisposableStack()
  let attested = Promise.withResolvers<Attested>()

  async function begin({ turn, folder }: { readonly turn: ProvingTurn; readonly folder: string }): Promise<void> {
    await life.disposeAsync()
    life = new AsyncDisposableStack()
    attested = Promise.withResolvers<Attested>()
    const network = await createProvingNetwork(turn, tools)
    const { ledger, verifier: signer, networkId } = network
    network.open()
    const transcripts = life.use(createTranscriptStore({ directory: join(folder, `transcripts-${turn.round}`) }))
    await transcripts.start()
    const signatures = life.use(createSignaturePool({ threads: 1 }))
    const verifier: Verifier = life.use(
      createVerifier({
        ledger,
        signer,
        signatures: signatures.verifier,
        prefetch: signatures.prefetch,
        pause: setImmediate,
        nodeHasher,
        clock: machineClock,
        random: sizeBytes => new Uint8Array(randomBytes(sizeBytes)),
        transcripts,
        ask: async () => ({ kind: 'no-answer', code: 'UNREACHABLE', reason: 'nobody is asked here' }),
        onEvent: event => {
          if (event.kind !== 'attested') return
          const passes = event.verdicts.filter(({ verdict }) => verdict === 'pass').length
          attested.resolve({ passes, deals: event.verdicts.length, leaves: network.countLeaves() })
        },
        onError: attested.reject
      })
    )
    life.use(
      await serveRequests(
        node.libp2p,
        pushProofs,
        async ({ round, items }) => ({ ok: true, value: { results: await verifier.receive(round, items) } }),
        { networkId }
      )
    )
    verifier.start()
  }

  return {
    addresses: async () => node.addresses(),
    begin,
    attested: () => attested.promise,
    /** Challenges of somebody who opens a stream for each, so many at once. @returns seconds */
    async askOneByOne({
      pieces,
      addresses,
      count,
      inFlight
    }: {
      readonly pieces: readonly BenchPiece[]
      readonly addresses: readonly string[]
      readonly count: number
      readonly inFlight: number
    }): Promise<number> {
      const provider = parsePeerAddresses(addresses)
      const networkId = new Uint8Array(32)
      let next = 0
      async function ask(): Promise<void> {
        while (next < count) {
          const { cid, rawSize } = pieces[next++ % pieces.length]!
          const verdict = parsePieceCid(cid)
          if (!verdict.ok) throw new Error(verdict.reason)
          const leafIndex = randomBytes(4).readUInt32BE() % leafCountOf(rawSize)
          const answer = await request(node.libp2p, provider, askLeaf, { piece: cid, leafIndex }, { networkId })
          if (answer.kind !== 'answer') throw new Error(JSON.stringify(answer))
          const proof = verifyLeaf({ commitment: verdict.commitment, leafIndex, proof: answer.value, nodeHasher })
          if (!proof.ok) throw new Error(proof.reason)
        }
      }
      const before = performance.now()
      await Promise.all(Array.from({ length: inFlight }, ask))
      return (performance.now() - before) / 1000
    }
  }
}
