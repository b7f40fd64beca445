import { describe, expect, it } from 'vitest'
import type { Command } from '../../src/ledger/commands.ts'
import { encodeEntry } from '../../src/ledger/entry.ts'
import { ledgerEntries, ledgerSubmit } from '../../src/protocols/definitions.ts'
import { encodeReply, encodeRequest, requestFrameSizeBytesMax } from '../../src/protocols/envelope.ts'
import { PROVIDER } from '../ledger/network-fixture.ts'

const TERMS = { networkId: new Uint8Array(32) }

/** A proof of the docket may name a leaf again and again, and so be as large as its sender likes. */
function selfProofOf(nodesSizeBytes: number): Command {
  const statement = {
    provider: PROVIDER.address,
    id: 'ff'.repeat(16),
    validUntilRound: 2 ** 53 - 1,
    dealId: 2 ** 53 - 1,
    round: 2 ** 53 - 1,
    docket: true,
    asked: new Uint8Array(32),
    proofs: new Uint8Array(32)
  }
  const proof = { pieceId: 0, leafIndices: [0], leaves: new Uint8Array(32), nodes: new Uint8Array(100_000) }
  const proofs = [proof, { ...proof, nodes: new Uint8Array(nodesSizeBytes) }]
  return { kind: 'SelfProof', statement, signature: new Uint8Array(65), proofs }
}

describe('a command that may be submitted', () => {
  it('makes an entry that followers may read', () => {
    const sizeOf = (nodesSizeBytes: number) =>
      encodeRequest(ledgerSubmit, TERMS, { command: selfProofOf(nodesSizeBytes) }).length
    const nodesSizeBytes = 100_000 + requestFrameSizeBytesMax(ledgerSubmit) - sizeOf(100_000)
    expect(() => sizeOf(nodesSizeBytes + 1)).toThrow(RangeError)
    const body = { kind: 'command', command: selfProofOf(nodesSizeBytes) } as const
    const bytes = encodeEntry({ version: 1, sequence: 2 ** 53 - 1, timeMs: 2 ** 53 - 1, body })
    const value = { entries: [bytes], length: 1 }
    expect(encodeReply(ledgerEntries, ledgerEntries.response, TERMS, { ok: true, value }).length).toBeGreaterThan(0)
  })
})
