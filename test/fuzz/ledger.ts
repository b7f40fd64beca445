/** What the log's heads and proofs are made of, as strangers send it: nobody may be framed, and nothing shown that is not. */
import {
  consistencyRoots,
  createHeadWatch,
  createLogTree,
  createSigner,
  encodeHead,
  forkProofOf,
  hashHead,
  hashMerkleLeaf,
  headAfter,
  ledgerProof,
  portableSignatureVerifier,
  type SignatureVerifier,
  type SignedLogHead,
  signHead,
  verifyForkProof,
  verifyHead,
  verifyMerklePath
} from '@holdfast/core'
import { decode, encode } from '@ipld/dag-cbor'
import type { FuzzTarget } from './fuzz.ts'

const signer = createSigner(new Uint8Array(32).fill(5))
const networkId = new Uint8Array(32).fill(6)
const authority = { networkId, host: signer.address, signatures: portableSignatureVerifier }
const entries = Array.from({ length: 40 }, (_, index) => Uint8Array.of(index, 1, 2, 3))

async function* read(from: number, to: number) {
  yield* entries.slice(from, to)
}

/** A log of forty entries, and a head for every five. */
const tree = createLogTree()
const heads: SignedLogHead[] = []
for (const [index, entry] of entries.entries()) {
  tree.append(entry)
  if (index % 5 !== 4) continue
  const facts = { networkId, size: tree.size, root: tree.root(), timeMs: 1_800_000_000_000 + index }
  heads.push(signHead(headAfter(heads.at(-1), facts), signer))
}
const signed = heads.map(encodeHead)
const [older, newer] = [heads[2]!, heads.at(-1)!]

// A second history, so that there is something to prove.
const otherHead = signHead({ ...older, root: new Uint8Array(32).fill(1) }, signer)
const path = await tree.consistency(older.size, newer.size, read)
const forkProofs = [forkProofOf(older, otherHead)!, forkProofOf(otherHead, newer, path)!]
const inclusion = { kind: 'entry', entry: entries[7]!, path: await tree.inclusion(7, tree.size, read) } as const

/** Knows the signatures that there are, so that cases are cheap; `ledger/verifyHead` runs the real check. */
const genuine = new Map([...heads, otherHead].map(head => [hex(hashHead(head)), hex(head.signature)]))
const knownSignatures: SignatureVerifier = {
  recover: (digest, signature) => (genuine.get(hex(digest)) === hex(signature) ? signer.address : undefined)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

/** The message in bytes that are dag-cbor and fit the protocol, as a peer takes it. */
function answerFrom(input: Uint8Array) {
  try {
    const parsed = ledgerProof.response.safeParse(decode(input))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

let forks = 0
let timeMs = 0
const watch = createHeadWatch({
  authority,
  clock: { now: () => timeMs },
  path: async () => undefined,
  onFork: () => {
    forks += 1
  }
})

export const ledgerTargets: readonly FuzzTarget[] = [
  {
    name: 'ledger/verifyHead',
    samples: signed,
    run(input) {
      if (verifyHead(input, authority).ok && !signed.some(head => same(head, input)))
        throw new Error('took a head that the host has not signed')
    }
  },
  {
    name: 'ledger/verifyForkProof',
    samples: [...forkProofs, encode({ version: 1, heads: [signed[0], signed[1]], path })],
    run(input) {
      const verdict = verifyForkProof(input, { ...authority, signatures: knownSignatures })
      if (verdict.ok && !verdict.heads.some(head => same(encodeHead(head), encodeHead(otherHead))))
        throw new Error('took heads of one history for a fork')
    }
  },
  {
    name: 'ledger/headWatch',
    samples: signed,
    run(input) {
      timeMs += 100
      watch.saw(input)
      if (forks > 0) throw new Error('reported a fork of a host that has one history')
    }
  },
  {
    name: 'ledger/inclusion',
    samples: [encode(inclusion)],
    run(input) {
      const answer = answerFrom(input)
      if (answer?.kind !== 'entry') return
      const leafHash = hashMerkleLeaf(answer.entry)
      const shown = verifyMerklePath({ root: tree.root(), leafHash, index: 7, size: tree.size, path: answer.path })
      if (shown && !same(answer.entry, inclusion.entry)) throw new Error('took an entry that is not in the log')
    }
  },
  {
    name: 'ledger/consistency',
    samples: [encode({ kind: 'consistency', path })],
    run(input) {
      const answer = answerFrom(input)
      if (answer?.kind !== 'consistency') return
      const roots = consistencyRoots(older.size, newer.size, answer.path)
      if (roots !== undefined && same(roots.to, newer.root) && !same(roots.from, older.root))
        throw new Error('took a path from a tree that the log does not begin with')
    }
  }
]
