/**
 * Reads of a log by somebody who holds none: heads that the host has signed, entries that stand under them, and that one
 * head follows another. Any peer that holds the log can answer; a lie is `no answer`, code `INVALID`.
 */
import type { Libp2p } from '@libp2p/interface'
import { equalBytes } from '@noble/curves/utils.js'
import { consistencyRoots } from '../evidence/merkle-consistency.ts'
import { verifyMerklePath } from '../evidence/merkle-path.ts'
import { hashMerkleLeaf } from '../evidence/merkle-root.ts'
import { ledgerHead, ledgerProof } from '../protocols/definitions.ts'
import type { PeerTarget } from '../protocols/dial-peer.ts'
import { type RequestOptions, request } from '../protocols/engine.ts'
import { noAnswer } from '../protocols/envelope.ts'
import type { Answer } from '../protocols/protocol.ts'
import { decodeEntry, type Entry } from './entry.ts'
import { type HeadAuthority, type LogHead, type SignedLogHead, verifyHead } from './log-head.ts'

/** A peer that holds the log: its host, or a follower. */
export interface LogConnection {
  readonly node: Pick<Libp2p, 'dialProtocol'>
  readonly peer: PeerTarget
  readonly options: RequestOptions
}

/**
 * The newest head of a peer, or the one of a number. That it is the newest of all nobody can prove: ask several.
 *
 * @returns a head that the host has signed
 */
export async function readHead(
  { node, peer, options }: LogConnection,
  authority: HeadAuthority,
  number?: number
): Promise<Answer<SignedLogHead>> {
  const message = number === undefined ? {} : { number }
  const answer = await request(node, peer, ledgerHead, message, options)
  if (answer.kind !== 'answer') return answer
  const verdict = verifyHead(answer.value.head, authority)
  if (!verdict.ok) return noAnswer('INVALID', verdict.reason)
  if (number !== undefined && verdict.head.number !== number)
    return noAnswer('INVALID', `head ${verdict.head.number} came for head ${number}`)
  return { kind: 'answer', value: verdict.head }
}

/**
 * One entry, proved to stand in the log under a head. Does not say that the entry keeps the rules: a follower does.
 *
 * @param head - verified
 * @throws {RangeError} when the head does not cover the entry
 */
export async function readEntryWithProof(
  { node, peer, options }: LogConnection,
  sequence: number,
  { size, root }: Pick<LogHead, 'size' | 'root'>
): Promise<Answer<Entry>> {
  if (sequence >= size) throw new RangeError(`expected an entry below the head's ${size}, got ${sequence}`)
  const answer = await request(node, peer, ledgerProof, { kind: 'entry', sequence, size }, options)
  if (answer.kind !== 'answer') return answer
  if (answer.value.kind !== 'entry') return noAnswer('INVALID', 'the answer is to another question')
  const { entry: bytes, path } = answer.value
  if (!verifyMerklePath({ root, leafHash: hashMerkleLeaf(bytes), index: sequence, size, path })) {
    return noAnswer('INVALID', `entry ${sequence} that came does not stand under the head`)
  }
  const entry = decodeEntry(bytes)
  return entry === undefined
    ? noAnswer('INVALID', `what stands in the log at ${sequence} is no entry`)
    : { kind: 'answer', value: entry }
}

/**
 * The path from an older tree to the one of a newer head, as `contradictionOf` and `forkProofOf` take it. Says nothing
 * about the older tree yet: the path shows how the newer one begins, and that may be otherwise.
 *
 * @param newer - verified
 */
export async function readConsistencyPath(
  { node, peer, options }: LogConnection,
  from: number,
  newer: Pick<LogHead, 'size' | 'root'>
): Promise<Answer<readonly Uint8Array[]>> {
  const message = { kind: 'consistency', from, to: newer.size } as const
  const answer = await request(node, peer, ledgerProof, message, options)
  if (answer.kind !== 'answer') return answer
  if (answer.value.kind !== 'consistency') return noAnswer('INVALID', 'the answer is to another question')
  const { path } = answer.value
  const roots = consistencyRoots(from, newer.size, path)
  return roots !== undefined && equalBytes(roots.to, newer.root)
    ? { kind: 'answer', value: path }
    : noAnswer('INVALID', 'the path does not lead to the head')
}
