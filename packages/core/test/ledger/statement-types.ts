/** EIP-712's encodeType of every statement, written by hand: the tests of digests and of PROTOCOLS.md go by it. */
import type { StatementKind } from '../../src/ledger/statements.ts'

export const STATEMENT_TYPES: Record<StatementKind, string> = {
  Transfer: 'Transfer(address from,address to,uint128 amount,uint64 nonce)',
  Ask: 'Ask(address provider,address operator,bytes16 id,uint64 validUntilRound,string[] addresses,string region,uint128 pricePerLeafRound,uint64 capacityBytes)',
  VerifierStake:
    'VerifierStake(address verifier,address operator,bytes16 id,uint64 validUntilRound,uint128 amount,string[] addresses)',
  DealOrder:
    'DealOrder(address client,address provider,bytes16 id,uint64 validUntilRound,uint128 pricePerLeafRound,uint64 leavesPerRound,uint128 escrow)',
  PiecesOrder:
    'PiecesOrder(address client,bytes16 id,uint64 validUntilRound,uint64 dealId,bytes[] pieces,bytes[] labels,uint128 deposit)',
  RemovePieces: 'RemovePieces(address client,bytes16 id,uint64 validUntilRound,uint64 dealId,uint64[] pieceIds)',
  Acceptance: 'Acceptance(address provider,bytes32 order)',
  TopUp: 'TopUp(address client,bytes16 id,uint64 validUntilRound,uint64 dealId,uint128 amount)',
  EndDeal: 'EndDeal(address party,bytes16 id,uint64 validUntilRound,uint64 dealId)',
  Attestation:
    'Attestation(address verifier,bytes16 id,uint64 validUntilRound,uint64 round,bytes verdicts,bytes32 transcripts)',
  SelfProof:
    'SelfProof(address provider,bytes16 id,uint64 validUntilRound,uint64 dealId,uint64 round,bool docket,bytes32 asked,bytes32 proofs)',
  ProofPush: 'ProofPush(address provider,address verifier,uint64 dealId,uint64 round,bytes32 proofs)',
  DemandOpening: 'DemandOpening(address client,bytes16 id,uint64 validUntilRound,uint64 dealId,uint128 bond)',
  Unstake: 'Unstake(address verifier,bytes16 id,uint64 validUntilRound,uint128 amount)',
  DemandTranscript:
    'DemandTranscript(address demander,bytes16 id,uint64 validUntilRound,address verifier,uint64 round,uint64 dealId,uint128 bond)',
  AnswerTranscript:
    'AnswerTranscript(address verifier,bytes16 id,uint64 validUntilRound,uint64 round,uint64 dealId,bytes32 transcript)',
  Refute:
    'Refute(address refuter,bytes16 id,uint64 validUntilRound,address verifier,uint64 round,uint64 dealId,bytes32 transcript)',
  TakeOverOrder:
    'TakeOverOrder(address client,bytes16 id,uint64 validUntilRound,uint64 dealId,uint128 pricePerLeafRoundMax,uint128 reward,string[] regions)',
  HandOver: 'HandOver(address provider,bytes16 id,uint64 validUntilRound,uint64 dealId,uint128 pricePerLeafRound)',
  KeyChange: 'KeyChange(address account,bytes16 id,uint64 validUntilRound,address successor)',
  ParameterChange:
    'ParameterChange(address host,bytes16 id,uint64 validUntilRound,uint64 fromOpening,bytes32 parameters)',
  ReadPermission: 'ReadPermission(address label,address provider,address reader,uint64 validUntilRound)',
  RepairNotice: 'RepairNotice(address provider,uint64 dealId,uint64 round,bytes[] pieces)'
}
