/**
 * Fork proofs: two heads, both signed by the host, that no single history can have.
 *
 * A proof stands alone. Whoever has the network description needs nothing else to check it, and nobody can make one of an
 * honest host's heads.
 */
import { decode, encode } from '@ipld/dag-cbor'
import { equalBytes } from '@noble/curves/utils.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { CONSISTENCY_PATH_NODES_MAX, consistencyRoots } from '../evidence/merkle-consistency.ts'
import { bytesOfLength, bytesUpTo } from '../schema.ts'
import {
  decodeHead,
  encodeHead,
  HEAD_SIZE_BYTES_MAX,
  type HeadAuthority,
  hashHead,
  type LogHead,
  type SignedLogHead,
  verifyHead
} from './log-head.ts'

/** Largest encoded proof: two heads, a path, and what stands around them. */
export const FORK_PROOF_SIZE_BYTES_MAX: number = 2 * HEAD_SIZE_BYTES_MAX + 40 * CONSISTENCY_PATH_NODES_MAX

const forkProofSchema = z.strictObject({
  version: z.literal(1),
  /** Encoded, the lower number first. */
  heads: z.tuple([bytesUpTo(HEAD_SIZE_BYTES_MAX), bytesUpTo(HEAD_SIZE_BYTES_MAX)]),
  /** For `begins otherwise`: the path from the smaller to the larger of the two trees, which leads to the larger's root. */
  path: z.array(bytesOfLength(32)).max(CONSISTENCY_PATH_NODES_MAX)
})

/** In what two heads contradict each other. */
export type Contradiction =
  /** one number, two heads */
  | 'same number'
  /** one number of entries, two roots */
  | 'same size'
  /** a later head with fewer entries */
  | 'shrunk'
  /** a head that names another one as the head before it than the one that its host signed */
  | 'other previous'
  /** the larger tree begins otherwise than the smaller one; shown by the path */
  | 'begins otherwise'

/** @param path - see `consistencyRoots`; leave it out to compare the heads alone */
export function contradictionOf(a: LogHead, b: LogHead, path: readonly Uint8Array[] = []): Contradiction | undefined {
  const [lower, higher] = inOrder(a, b)
  if (lower.number === higher.number) return equalBytes(hashHead(lower), hashHead(higher)) ? undefined : 'same number'
  if (lower.size === higher.size && !equalBytes(lower.root, higher.root)) return 'same size'
  if (lower.size > higher.size) return 'shrunk'
  if (lower.number + 1 === higher.number && !equalBytes(hashHead(lower), higher.previous)) return 'other previous'
  const roots = consistencyRoots(lower.size, higher.size, path)
  if (roots === undefined || !equalBytes(roots.to, higher.root)) return undefined
  return equalBytes(roots.from, lower.root) ? undefined : 'begins otherwise'
}

/**
 * The proof, or undefined when these two heads can stand in one history as far as they and the path show. Believes that
 * both are signed: check them before.
 */
export function forkProofOf(
  a: SignedLogHead,
  b: SignedLogHead,
  path: readonly Uint8Array[] = []
): Uint8Array | undefined {
  const contradiction = contradictionOf(a, b, path)
  if (contradiction === undefined) return undefined
  const [lower, higher] = inOrder(a, b)
  const heads = [encodeHead(lower), encodeHead(higher)]
  return Uint8Array.from(encode({ version: 1, heads, path: contradiction === 'begins otherwise' ? path : [] }))
}

export type ForkVerdict =
  | {
      readonly ok: true
      readonly contradiction: Contradiction
      readonly heads: readonly [SignedLogHead, SignedLogHead]
    }
  | { readonly ok: false; readonly reason: string }

/** Whether these bytes prove that the network's host keeps two histories. Checks two signatures, and those last. */
export function verifyForkProof(bytes: Uint8Array, authority: HeadAuthority): ForkVerdict {
  const proof = decodeForkProof(bytes)
  const [first, second] = [proof && decodeHead(proof.heads[0]), proof && decodeHead(proof.heads[1])]
  if (proof === undefined || first === undefined || second === undefined) {
    return { ok: false, reason: 'these bytes are no fork proof' }
  }
  const contradiction = contradictionOf(first, second, proof.path)
  if (contradiction === undefined) {
    return { ok: false, reason: 'one history can have both heads: they do not contradict each other' }
  }
  for (const head of proof.heads) {
    const verdict = verifyHead(head, authority)
    if (!verdict.ok) return verdict
  }
  return { ok: true, contradiction, heads: [first, second] }
}

function decodeForkProof(bytes: Uint8Array): z.output<typeof forkProofSchema> | undefined {
  if (bytes.length > FORK_PROOF_SIZE_BYTES_MAX) return undefined
  try {
    return forkProofSchema.parse(decode(bytes))
  } catch {
    return undefined
  }
}

/** By number, then size, then hash: the same two heads give the same proof whoever finds them. */
function inOrder<Head extends LogHead>(a: Head, b: Head): readonly [Head, Head] {
  if (a.number !== b.number) return a.number < b.number ? [a, b] : [b, a]
  if (a.size !== b.size) return a.size < b.size ? [a, b] : [b, a]
  return bytesToHex(hashHead(a)) <= bytesToHex(hashHead(b)) ? [a, b] : [b, a]
}
