import { describe, expect, it } from 'vitest'
import { digestOfTranscript, type Transcript } from '../../src/evidence/transcript.ts'

const TRANSCRIPT: Transcript = {
  version: 1,
  round: 3,
  dealId: 4,
  verifier: `0x${'11'.repeat(20)}`,
  asked: new Uint8Array(32),
  verdict: 'pass',
  reason: '',
  push: { proofs: new Uint8Array(32), signature: new Uint8Array(65) }
}

it('the digest of a transcript changes with each of its fields', () => {
  const digest = digestOfTranscript(TRANSCRIPT)
  expect(digest).toHaveLength(32)
  expect(digestOfTranscript({ ...TRANSCRIPT })).toEqual(digest)
  const changes: readonly Partial<Transcript>[] = [
    { round: 4 },
    { dealId: 5 },
    { verifier: `0x${'12'.repeat(20)}` },
    { asked: new Uint8Array(32).fill(1) },
    { verdict: 'bad proof' },
    { reason: 'wrong-root' },
    { push: null },
    { push: { ...TRANSCRIPT.push!, proofs: new Uint8Array(32).fill(1) } },
    { push: { ...TRANSCRIPT.push!, signature: new Uint8Array(65).fill(1) } }
  ]
  for (const change of changes) expect(digestOfTranscript({ ...TRANSCRIPT, ...change })).not.toEqual(digest)
})

describe('silence', () => {
  it('has a digest too', () => {
    expect(digestOfTranscript({ ...TRANSCRIPT, verdict: 'no answer', push: null })).toHaveLength(32)
  })
})
