/**
 * The log's heads and proofs, served to peers that hold no log. Host and followers serve the same; whoever asks believes
 * nobody, only the host's signature under a head and the hashes up to it.
 */
import type { Libp2p } from '@libp2p/interface'
import { CoreError } from '../error.ts'
import { ledgerHead, ledgerProof } from '../protocols/definitions.ts'
import { type Handler, serve } from '../protocols/engine.ts'
import { refuse } from '../protocols/protocol.ts'
import type { ServeOptions } from '../protocols/serve-streams.ts'
import { decodeHead } from './log-head.ts'
import type { EntryReader, LogTree } from './log-tree.ts'

/** What a peer must hold of a log to prove things about it. */
export interface LogProofSource {
  readonly tree: Pick<LogTree, 'inclusion' | 'consistency'>
  /** Entries below the size of the newest head. */
  readonly read: EntryReader
  /** Encoded; without a number the newest whose entries this peer holds. Not every old head need be kept. */
  head(number?: number): Promise<Uint8Array | undefined> | Uint8Array | undefined
}

/** Serves `ledgerHead` and `ledgerProof` until the returned service is disposed. */
export async function serveLogProofs(
  node: Pick<Libp2p, 'handle' | 'unhandle'>,
  source: LogProofSource,
  options: ServeOptions
): Promise<AsyncDisposable> {
  await using services = new AsyncDisposableStack()
  services.use(await serve(node, ledgerHead, answerHead(source), options))
  services.use(await serve(node, ledgerProof, answerProof(source), options))
  return services.move()
}

type RequestOf<P> = P extends { request: { _zod: { output: infer Request } } } ? Request : never
type ResponseOf<P> = P extends { response: { _zod: { output: infer Response } } } ? Response : never
type ProofAnswer = ResponseOf<typeof ledgerProof>

function answerHead(source: LogProofSource): Handler<RequestOf<typeof ledgerHead>, ResponseOf<typeof ledgerHead>> {
  return async ({ number }) => {
    const head = await source.head(number)
    return head === undefined
      ? refuse('NO_SUCH_HEAD', 'this peer has no such head', number === undefined ? {} : { number })
      : { ok: true, value: { head } }
  }
}

function answerProof(source: LogProofSource): Handler<RequestOf<typeof ledgerProof>, ProofAnswer> {
  return async message => {
    const length = await provableLength(source)
    try {
      const proof = await prove(source, message, length)
      if (proof !== undefined) return { ok: true, value: proof }
    } catch (error) {
      if (!(error instanceof CoreError && error.code === 'ENTRIES_NOT_HELD')) throw error
    }
    return refuse('NO_SUCH_ENTRY', `this peer cannot prove that; its newest head covers ${length} entries`, { length })
  }
}

async function prove(
  { tree, read }: LogProofSource,
  message: RequestOf<typeof ledgerProof>,
  length: number
): Promise<ProofAnswer | undefined> {
  if (message.kind === 'consistency') {
    const { kind, from, to } = message
    return to > length || from > to ? undefined : { kind, path: await tree.consistency(from, to, read) }
  }
  const { kind, sequence, size } = message
  if (size > length || sequence >= size) return undefined
  const path = await tree.inclusion(sequence, size, read)
  for await (const entry of read(sequence, sequence + 1)) return { kind, entry, path }
  return undefined
}

/** Entries under the newest head: what stands beyond may not be durable yet. */
async function provableLength(source: LogProofSource): Promise<number> {
  const head = await source.head()
  return (head === undefined ? undefined : decodeHead(head)?.size) ?? 0
}
