/** EIP-712's encodeType of every statement, written by hand: the tests of digests and of PROTOCOLS.md go by it. */
import type { StatementKind } from '../../src/ledger/statements.ts'

export const STATEMENT_TYPES: Record<StatementKind, string> = {
  Transfer: 'Transfer(address from,address to,uint128 amount,uint64 nonce)',
  Ask: 'Ask(address provider,bytes16 id,uint64 validUntilRound,string[] addresses,string region,uint128 pricePerLeafRound,uint64 capacityBytes)',
  VerifierStake: 'VerifierStake(address verifier,bytes16 id,uint64 validUntilRound,uint128 amount,string[] addresses)',
  DealOrder:
    'DealOrder(address client,address provider,bytes16 id,uint64 validUntilRound,uint128 pricePerLeafRound,uint64 leavesPerRound,uint128 escrow)',
  PiecesOrder:
    'PiecesOrder(address client,bytes16 id,uint64 validUntilRound,uint64 dealId,bytes root,bytes[] pieces,uint128 deposit)',
  Acceptance: 'Acceptance(address provider,bytes32 order)',
  TopUp: 'TopUp(address client,bytes16 id,uint64 validUntilRound,uint64 dealId,uint128 amount)',
  EndDeal: 'EndDeal(address party,bytes16 id,uint64 validUntilRound,uint64 dealId)',
  Attestation:
    'Attestation(address verifier,bytes16 id,uint64 validUntilRound,uint64 round,bytes verdicts,bytes32 transcripts)',
  SelfProof:
    'SelfProof(address provider,bytes16 id,uint64 validUntilRound,uint64 dealId,uint64 round,bool docket,bytes32 proofs)',
  ProofPush: 'ProofPush(address provider,address verifier,uint64 dealId,uint64 round,bytes32 proofs)',
  ReadPermission: 'ReadPermission(address label,address provider,address reader,uint64 validUntilRound)'
}
