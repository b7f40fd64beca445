/** PROTOCOLS.md §6: accounts, asks, stakes, attestations and self-proofs. */
import type { Command, CommandOf } from '../../../../src/ledger/commands.ts'
import type { RefusalCode } from '../../../../src/ledger/refusal.ts'
import { pay } from './deal-rules.ts'
import type { CommandFacts, LeafFacts } from './facts.ts'
import { account, credit, dealsOf, findDeal, isRunning, type ModelState, type ModelVerdict } from './state.ts'

const LEAVING_MAX = 16

/** Changes the state, also where it then refuses: the caller drops it. */
export function applyOtherRule(state: ModelState, command: Command, facts: CommandFacts): RefusalCode | undefined {
  switch (command.kind) {
    case 'Transfer':
      return transfer(state, command)
    case 'Ask':
      return ask(state, command)
    case 'VerifierStake':
      return stake(state, command)
    case 'Unstake':
      return unstake(state, command)
    case 'Attestation':
      return attest(state, command)
    case 'SelfProof':
      return command.statement.docket ? clearDocket(state, command, facts) : proveRound(state, command, facts)
    case 'KeyChange':
    case 'ParameterChange':
      return 'RESERVED'
    default:
      return undefined
  }
}

function transfer(state: ModelState, { statement }: CommandOf<'Transfer'>): RefusalCode | undefined {
  const { from, to, amount, nonce } = statement
  if (nonce !== account(state, from).nonce) return 'WRONG_NONCE'
  account(state, from).nonce += 1
  const unpaid = pay(state, from, amount)
  credit(state, to, amount)
  return unpaid
}

function ask(state: ModelState, { statement }: CommandOf<'Ask'>): undefined {
  const { provider, operator, region } = statement
  const offered = { operator, region }
  const known = state.asks.find(one => one.provider === provider)
  const asks = known ?? { provider, now: undefined, next: undefined }
  if (known === undefined) state.asks.push(asks)
  if (asks.next !== undefined && asks.next.from <= state.openings) asks.now = asks.next
  asks.next = state.openings === 0 ? undefined : { ...offered, from: state.openings + 1 }
  if (state.openings === 0) asks.now = offered
}

function stake(state: ModelState, { statement }: CommandOf<'VerifierStake'>): RefusalCode | undefined {
  const { verifier, operator, amount } = statement
  const unpaid = pay(state, verifier, amount)
  if (unpaid !== undefined) return unpaid
  const known = state.verifiers.find(one => one.address === verifier)
  const record = known ?? { address: verifier, operator, stake: 0n, leaving: [] }
  if (known === undefined) state.verifiers.push(record)
  record.stake += amount
  record.operator = operator
  return record.stake < state.parameters.money.stakeUnit ? 'STAKE_TOO_SMALL' : undefined
}

function unstake(
  state: ModelState,
  { statement: { verifier, amount } }: CommandOf<'Unstake'>
): RefusalCode | undefined {
  const { money, proving } = state.parameters
  const record = state.verifiers.find(one => one.address === verifier)
  if (record === undefined || amount === 0n || amount > record.stake) return 'STAKE_TOO_SMALL'
  record.stake -= amount
  if (record.stake > 0n && record.stake < money.stakeUnit) return 'STAKE_TOO_SMALL'
  if (record.leaving.length === LEAVING_MAX) return 'TOO_MANY_PENDING'
  record.leaving.push({ amount, opening: state.openings + proving.disputeRounds + proving.answerRounds + 2 })
  return undefined
}

function attest(state: ModelState, { statement }: CommandOf<'Attestation'>): RefusalCode | undefined {
  const { verifier, round, verdicts, transcripts } = statement
  const { open } = state
  if (open?.round !== round) return 'WRONG_ROUND'
  if (open.attested.some(one => one.verifier === verifier)) return 'ALREADY_ATTESTED'
  const count = dealsOf(open, verifier).length
  if (count === 0) return 'NOT_ASSIGNED'
  const read = readVerdicts(verdicts, count)
  if (read === undefined) return 'BAD_VERDICTS'
  open.attested.push({ verifier, verdicts: read, root: transcripts.join() })
  return undefined
}

/** §5: two bits a deal, the first deal in the lowest bits of the first byte; 3 and stray bits are invalid. */
function readVerdicts(bytes: Uint8Array, count: number): ModelVerdict[] | undefined {
  const pairs = [...bytes].flatMap(byte => [byte % 4, (byte >> 2) % 4, (byte >> 4) % 4, byte >> 6])
  const isWhole = pairs.length >= count && pairs.length - count < 4 && pairs.slice(count).every(pair => pair === 0)
  const words = ['no answer', 'pass', 'bad proof'] as const
  const verdicts = pairs.slice(0, count).map(pair => words[pair])
  return isWhole && verdicts.every(verdict => verdict !== undefined) ? verdicts : undefined
}

function proveRound(state: ModelState, command: CommandOf<'SelfProof'>, facts: CommandFacts): RefusalCode | undefined {
  const { dealId } = command.statement
  const refused = refuseProof(state, command, facts)
  if (refused !== undefined) return refused
  const { open } = state
  const challenged = open?.deals.find(one => one.dealId === dealId)
  if (open === undefined || challenged === undefined || !isRunning(findDeal(state, dealId)!)) return 'NOT_CHALLENGED'
  if (open.selfProved.includes(dealId)) return 'ALREADY_PROVED'
  const proofs = byPiece(challenged.leaves)
  const isExact =
    proofs.length === command.proofs.length &&
    proofs.every(({ pieceId, leaves }, index) => {
      const proof = command.proofs[index]!
      return proof.pieceId === pieceId && proof.leafIndices.join() === leaves.join()
    })
  if (!isExact) return 'WRONG_LEAVES'
  if (!facts.proofs!.askedFits) return 'WRONG_PIECES'
  open.selfProved.push(dealId)
  return facts.proofs!.verify ? undefined : 'BAD_PROOF'
}

function byPiece(leaves: readonly LeafFacts[]): { pieceId: number; leaves: number[] }[] {
  const pieceIds = [...new Set(leaves.map(({ pieceId }) => pieceId))]
  return pieceIds.map(pieceId => ({
    pieceId,
    leaves: leaves.filter(leaf => leaf.pieceId === pieceId).map(({ leafIndex }) => leafIndex)
  }))
}

function clearDocket(state: ModelState, command: CommandOf<'SelfProof'>, facts: CommandFacts): RefusalCode | undefined {
  const refused = refuseProof(state, command, facts)
  if (refused !== undefined) return refused
  const deal = findDeal(state, command.statement.dealId)!
  const shown = command.proofs.flatMap(({ pieceId, leafIndices }) =>
    leafIndices.map(leafIndex => ({ pieceId, leafIndex }))
  )
  const isShown = (owed: LeafFacts) =>
    shown.some(leaf => leaf.pieceId === owed.pieceId && leaf.leafIndex === owed.leafIndex)
  const areOwed = shown.every(leaf =>
    deal.docket.some(owed => leaf.pieceId === owed.pieceId && leaf.leafIndex === owed.leafIndex)
  )
  if (!areOwed) return 'WRONG_LEAVES'
  if (!facts.proofs!.askedFits) return 'WRONG_PIECES'
  deal.docket = deal.docket.filter(owed => !isShown(owed))
  return facts.proofs!.verify ? undefined : 'BAD_PROOF'
}

function refuseProof(
  state: ModelState,
  { statement }: CommandOf<'SelfProof'>,
  facts: CommandFacts
): RefusalCode | undefined {
  const deal = findDeal(state, statement.dealId)
  if (deal === undefined) return 'NO_DEAL'
  if (deal.provider !== statement.provider) return 'NOT_A_PARTY'
  if (statement.round !== state.round) return 'WRONG_ROUND'
  return facts.proofs!.digestFits ? undefined : 'BAD_PROOF'
}
