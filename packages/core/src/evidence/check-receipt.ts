/**
 * Checks a receipt from first principles: beacon, leaves, proofs, batch path, signatures, and the log head if there is one.
 * Needs no network and no ledger, only to know which network it should be of.
 *
 * Transcript and self-proof alike commit to all pieces that were challenged, by their CIDs, and to how many leaves were drawn.
 */
import {
  decodePieceCid,
  leafCountOf,
  type NodeHasher,
  PIECE_SIZE_BYTES_MAX,
  portableNodeHasher,
  sumLeafCounts
} from '@holdfast/proofs'
import { equalBytes } from '@noble/curves/utils.js'
import { hexToBytes } from '@noble/hashes/utils.js'
import { seedOf, verifyBeaconSignature } from '../beacon/beacon.ts'
import { portableSignatureVerifier, type SignatureVerifier } from '../identity.ts'
import { digestOfProofs } from '../ledger/commands.ts'
import { encodeEntry } from '../ledger/entry.ts'
import { verifyHead } from '../ledger/log-head.ts'
import { createStatementDigest } from '../ledger/statements.ts'
import { networkIdOf } from '../network.ts'
import { challengesOf, countLeaves, type PieceChallenge } from '../rounds/challenge.ts'
import { beaconRoundOf, roundOpensMs } from '../rounds/schedule.ts'
import { areVerdicts, type Verdict, verdictAt } from '../rounds/verdicts.ts'
import type { Address } from '../schema.ts'
import { faultOfProofs, type JudgeTools, judgeTranscript } from './judge-transcript.ts'
import { verifyMerklePath } from './merkle-path.ts'
import { hashMerkleLeaf } from './merkle-root.ts'
import { type DealReceipt, decodeReceipt } from './receipt.ts'
import { digestOfAsked } from './transcript.ts'

/** What a receipt that checks out says. */
export interface ReceiptFacts {
  readonly networkName: string
  /** `host`: who holds the ledger's key could foresee what the round would ask. */
  readonly beaconSource: 'host' | 'drand'
  readonly round: number
  /** When the round was to open, milliseconds of Unix time. */
  readonly opensMs: number
  readonly dealId: number
  readonly provider: Address
  /** A self-proof is a *pass* that the provider has shown to the ledger itself. */
  readonly verdict: Verdict
  /** Who attested; undefined for a self-proof. */
  readonly verifier: Address | undefined
  /** Distinct leaves that were asked for, and the pieces that they lie in. */
  readonly pieces: number
  readonly leavesAsked: number
  /** Where the command stands in the log; undefined when the receipt does not show that the ledger took it. */
  readonly log: { readonly sequence: number; readonly headNumber: number; readonly headSize: number } | undefined
}

export type ReceiptVerdict =
  | { readonly ok: true; readonly facts: ReceiptFacts }
  | { readonly ok: false; readonly reason: string }

export interface ReceiptAuthority {
  /** 32 bytes: of the network that the receipt should be of. */
  readonly networkId: Uint8Array
  readonly signatures?: SignatureVerifier
  readonly nodeHasher?: NodeHasher
}

const no = (reason: string) => ({ ok: false, reason }) as const

/** Never throws on foreign bytes. */
export function checkReceipt(bytes: Uint8Array, authority: ReceiptAuthority): ReceiptVerdict {
  const decoded = decodeReceipt(bytes)
  if (!decoded.ok) return decoded
  const { receipt } = decoded
  const { parameters, round, beaconSignature } = receipt
  const { networkId, signatures = portableSignatureVerifier, nodeHasher = portableNodeHasher } = authority
  if (!equalBytes(networkIdOf(parameters), networkId)) return no('this receipt is of another network')
  const publicKey = hexToBytes(parameters.beacon.publicKey)
  if (!verifyBeaconSignature(publicKey, beaconRoundOf(parameters, round), beaconSignature))
    return no(`this is not the beacon’s signature for round ${round}`)
  const asked = challengesIn(receipt)
  if (!asked.ok) return asked
  const tools = { digestOf: createStatementDigest(networkId), signatures, nodeHasher }
  const found =
    receipt.evidence.kind === 'attestation'
      ? checkAttestation(receipt, receipt.evidence, asked.challenges, tools)
      : checkSelfProof(receipt, receipt.evidence, asked.challenges, tools)
  if (!found.ok) return found
  const log = checkLog(receipt, { networkId, signatures })
  if (!log.ok) return log
  return {
    ok: true,
    facts: {
      networkName: parameters.name,
      beaconSource: parameters.beacon.source,
      round,
      opensMs: roundOpensMs(parameters, round),
      dealId: receipt.dealId,
      provider: receipt.provider,
      verdict: found.verdict,
      verifier: found.verifier,
      pieces: asked.challenges.length,
      leavesAsked: countLeaves(asked.challenges),
      log: log.at
    }
  }
}

type Challenged = { readonly ok: true; readonly challenges: PieceChallenge[] }
type Refused = { readonly ok: false; readonly reason: string }

function challengesIn({ beaconSignature, dealId, leavesPerRound, pieces }: DealReceipt): Challenged | Refused {
  const leafCounts: number[] = []
  for (const [index, { id, cid }] of pieces.entries()) {
    const before = pieces[index - 1]
    if (before !== undefined && before.id >= id) return no('the pieces are not in the order of their numbers')
    const decoded = decodePieceCid(cid)
    if (!decoded.ok) return no(`${cid.toString()} is no piece: ${decoded.reason}`)
    const { rawSize } = decoded.commitment
    if (rawSize < 1 || rawSize > PIECE_SIZE_BYTES_MAX) return no(`a piece cannot have ${rawSize} bytes`)
    leafCounts.push(leafCountOf(rawSize))
  }
  const leafCount = leafCounts.reduce((sum, count) => sum + count, 0)
  if (!Number.isSafeInteger(leafCount)) return no('no deal has so many leaves')
  const frozen = {
    dealId,
    leavesPerRound,
    leafCount,
    pieceIds: pieces.map(({ id }) => id),
    sums: sumLeafCounts(leafCounts)
  }
  return { ok: true, challenges: challengesOf(seedOf(beaconSignature), frozen) }
}

type Found = { readonly ok: true; readonly verdict: Verdict; readonly verifier: Address | undefined } | Refused
type EvidenceOf<Kind extends DealReceipt['evidence']['kind']> = Extract<DealReceipt['evidence'], { kind: Kind }>

function checkAttestation(
  receipt: DealReceipt,
  { command, index, size, transcript, path, proofs }: EvidenceOf<'attestation'>,
  challenges: readonly PieceChallenge[],
  tools: JudgeTools
): Found {
  const { round, dealId, provider, leavesPerRound, pieces } = receipt
  const { statement, signature } = command
  const { verifier, verdicts, transcripts } = statement
  if (statement.round !== round) return no(`the attestation is of round ${statement.round}`)
  if (tools.signatures.recover(tools.digestOf('Attestation', statement), signature) !== verifier)
    return no('the attestation is not signed by its verifier')
  if (index >= size || !areVerdicts(verdicts, size)) return no('the attestation does not hold so many verdicts')
  const verdict = verdictAt(verdicts, index)
  const attested = {
    round,
    dealId,
    provider,
    leavesPerRound,
    pieces,
    challenges,
    verifier,
    verdict,
    transcripts,
    index,
    size
  }
  const judgement = judgeTranscript(attested, { transcript, path, proofs: proofs ?? undefined }, tools)
  return judgement.kind === 'supports'
    ? { ok: true, verdict, verifier }
    : no(`the transcript does not bear out “${verdict}”: ${judgement.reason}`)
}

function checkSelfProof(
  { round, dealId, provider, leavesPerRound, pieces }: DealReceipt,
  { command: { statement, signature, proofs } }: EvidenceOf<'self-proof'>,
  challenges: readonly PieceChallenge[],
  { digestOf, signatures, nodeHasher }: JudgeTools
): Found {
  if (statement.round !== round || statement.dealId !== dealId || statement.docket)
    return no('the self-proof is of another round or deal, or of the docket')
  if (statement.provider !== provider || signatures.recover(digestOf('SelfProof', statement), signature) !== provider)
    return no('the self-proof is not signed by the provider')
  if (!equalBytes(statement.asked, digestOfAsked({ provider, leavesPerRound, pieces })))
    return no('the self-proof is about other pieces')
  if (!equalBytes(digestOfProofs(proofs), statement.proofs)) return no('these are not the proofs that are signed')
  const fault = faultOfProofs({ challenges, pieces }, proofs, nodeHasher)
  return fault === undefined
    ? { ok: true, verdict: 'pass', verifier: undefined }
    : no(`the self-proof does not verify: ${fault}`)
}

type Logged = { readonly ok: true; readonly at: ReceiptFacts['log'] } | Refused

function checkLog(
  { parameters, evidence, log }: DealReceipt,
  { networkId, signatures }: Required<Pick<ReceiptAuthority, 'networkId' | 'signatures'>>
): Logged {
  if (log === null) return { ok: true, at: undefined }
  const { sequence, timeMs, path } = log
  const verdict = verifyHead(log.head, { networkId, host: parameters.host, signatures })
  if (!verdict.ok) return verdict
  const { root, size, number } = verdict.head
  const { command } = evidence
  const entry = encodeEntry({ version: 1, sequence, timeMs, body: { kind: 'command', command } })
  if (!verifyMerklePath({ root, leafHash: hashMerkleLeaf(entry), index: sequence, size, path }))
    return no('the command does not stand in the log at this place')
  return { ok: true, at: { sequence, headNumber: number, headSize: size } }
}
