/** Planted faults of the ledger: rules that are nearly right, and cost or create credits. */
import type { Mutant, MutantSuite } from './plant.ts'

const model = ['ledger/model/model']

const mutants: readonly Mutant[] = [
  // rounds and what they decide
  {
    name: 'a piece challenged an opening too early',
    file: 'rounds/boundaries.ts',
    find: 'return opening + 2\n',
    replace: 'return opening + 1\n',
    tests: model
  },
  {
    name: 'a removed piece not challenged where it is frozen already',
    file: 'rounds/boundaries.ts',
    find: 'export function lastOpeningOfPiece(opening: number): number {\n  return opening + 1',
    replace: 'export function lastOpeningOfPiece(opening: number): number {\n  return opening',
    tests: model
  },
  {
    name: 'an ask in force at once',
    file: 'rounds/boundaries.ts',
    find: 'return opening === 0 ? 0 : opening + 1',
    replace: 'return opening',
    tests: model
  },
  {
    name: 'an ending deal not challenged in its last round',
    file: 'rounds/boundaries.ts',
    find: 'round <= deal.endsAfterRound',
    replace: 'round < deal.endsAfterRound',
    tests: model
  },
  {
    name: 'a quorum in place of a proof that is due',
    file: 'rounds/outcome.ts',
    find: 'if (!mustOpen && passes >= quorum)',
    replace: 'if (passes >= quorum)',
    tests: model
  },
  {
    name: 'a self-proof lost because the round closed late',
    file: 'rounds/outcome.ts',
    find: "if (selfProved) return { kind: 'proved'",
    replace: "if (selfProved && !closedLate) return { kind: 'proved'",
    tests: model
  },
  {
    name: 'failed a round too late',
    file: 'rounds/docket.ts',
    find: 'oldest.sinceCountedRound >= cureRounds',
    replace: 'oldest.sinceCountedRound > cureRounds',
    tests: model
  },
  {
    name: 'a docket without bound',
    file: 'rounds/docket.ts',
    find: 'added.slice(0, Math.max(0, leavesMax - docket.length))',
    replace: 'added',
    tests: ['rounds/docket']
  },
  {
    name: 'a leaf on the docket twice',
    file: 'rounds/docket.ts',
    find: '.filter(leaf => !known.has(keyOf(leaf.pieceId, leaf.leafIndex)))',
    replace: '.filter(() => known.size >= 0)',
    tests: model
  },
  // boundaries
  {
    name: 'debts that grow older while the host is away',
    file: 'ledger/close-round.ts',
    find: 'if (round !== undefined && !late) state.countedRounds += 1',
    replace: 'if (round !== undefined) state.countedRounds += 1',
    tests: model
  },
  {
    name: 'verifiers frozen when their beacon is out',
    file: 'ledger/close-round.ts',
    find: 'verifiers: state.nextVerifiers,',
    replace: 'verifiers: freezeVerifiers(state),',
    tests: model
  },
  {
    name: 'a deal settled again after a command has settled it',
    file: 'ledger/close-round.ts',
    find: 'if (hasPassed(deal, closing)) continue',
    replace: 'if (!isLive(deal)) continue',
    tests: model
  },
  {
    name: 'what a slice leaves forgotten at the next boundary',
    file: 'ledger/close-round.ts',
    find: '  const before = settleRest(state)\n  const dealIds',
    replace: '  const before: LedgerEvent[] = []\n  const dealIds',
    tests: model
  },
  {
    name: 'a deal settled by a command that is refused',
    file: 'ledger/apply-command.ts',
    find: '    touched.undo()\n',
    replace: '',
    tests: model
  },
  {
    name: 'silence punished when the round closed late',
    file: 'ledger/verifier-boundary.ts',
    find: 'if (round === undefined || late) return []',
    replace: 'if (round === undefined) return []',
    tests: model
  },
  {
    name: 'stake released while somebody waits for a transcript',
    file: 'ledger/verifier-boundary.ts',
    find: 'if (due.length === 0 || disputed.has(verifier)) continue',
    replace: 'if (due.length === 0) continue',
    tests: ['ledger/dispute-rules', 'ledger/verifier-rules']
  },
  // money
  {
    name: 'a refund paid twice',
    file: 'ledger/pass-boundary.ts',
    find: '  deal.escrow = 0n\n',
    replace: '',
    tests: model
  },
  {
    name: 'a forfeit paid to the client',
    file: 'ledger/pass-boundary.ts',
    find: 'deal.repairBudget += forfeited',
    replace: 'openAccount(state, deal.client).free += forfeited',
    tests: model
  },
  {
    name: 'a repair budget refunded to the client',
    file: 'ledger/pass-boundary.ts',
    find: 'const burned = deal.escrowFromRepair',
    replace: 'const burned = 0n',
    tests: [...model, 'ledger/hand-over-rules']
  },
  {
    name: 'notice given while the escrow still covers it',
    file: 'ledger/pass-boundary.ts',
    find: 'if (deal.escrow >= escrowNeeded',
    replace: 'if (deal.escrow > escrowNeeded',
    tests: model
  },
  {
    name: 'an escrow that covers the notice but for one round',
    file: 'ledger/price.ts',
    find: 'price * BigInt(money.noticeRounds + 1)',
    replace: 'price * BigInt(money.noticeRounds)',
    tests: model
  },
  {
    name: 'more withheld than the target',
    file: 'ledger/price.ts',
    find: 'const withheld = share < missing ? share : missing',
    replace: 'const withheld = share',
    tests: ['ledger/price', ...model]
  },
  {
    name: 'a docket left behind by a quorum',
    file: 'ledger/settle-deal.ts',
    find: '  deal.rounds[COUNTERS[outcome.kind]] += 1\n',
    replace: "  deal.rounds[COUNTERS[outcome.kind]] += 1\n  if (outcome.kind === 'proved') deal.docket = []\n",
    tests: model
  },
  {
    name: 'a fee for “no answer” about a deal that was proved',
    file: 'ledger/settle-deal.ts',
    find: "return verdict === 'no answer' && outcome.kind === 'fault'",
    replace: "return verdict === 'no answer'",
    tests: model
  },
  {
    name: 'pay while leaves are owed',
    file: 'ledger/settle-deal.ts',
    find: "if (outcome.kind !== 'proved' || deal.docket.length > 0)",
    replace: "if (outcome.kind !== 'proved')",
    tests: model
  },
  {
    name: 'the bond of a demand back to the client, proved or not',
    file: 'ledger/settle-deal.ts',
    find: "outcome.kind === 'proved' ? deal.provider : deal.client",
    replace: 'deal.client',
    tests: model
  },
  {
    name: 'an answer that a void round forgives',
    file: 'ledger/settle-deal.ts',
    find: "  if (outcome.kind === 'void') return []\n",
    replace: '',
    tests: ['ledger/close-round', ...model]
  },
  {
    name: 'a share of a forfeit burned and paid',
    file: 'ledger/forfeit-stake.ts',
    find: 'state.burned += lost - reward',
    replace: 'state.burned += lost',
    tests: model
  },
  // commands
  {
    name: 'an id that works again in its last round',
    file: 'ledger/used-ids.ts',
    find: 'used === undefined || used.validUntilRound < state.round',
    replace: 'used === undefined || used.validUntilRound <= state.round',
    tests: model
  },
  {
    name: 'an acceptance by anybody',
    file: 'ledger/apply-command.ts',
    find: 'return accepted === provider\n',
    replace: 'return accepted !== undefined\n',
    tests: model
  },
  {
    name: 'a cap that a second deal gets round',
    file: 'ledger/piece-rules.ts',
    find: 'bytes += other.rawSize',
    replace: 'bytes += 0',
    tests: ['ledger/deal-rules', ...model]
  },
  {
    name: 'a deal handed over to who failed it, under another name',
    file: 'ledger/hand-over-rules.ts',
    find: 'if (failed.has(provider) || failed.has(ask.operator))',
    replace: 'if (failed.has(provider))',
    tests: ['ledger/hand-over-rules', ...model]
  },
  {
    name: 'a reward as large as the client likes',
    file: 'ledger/hand-over-rules.ts',
    find: 'return [offered, allowed, left].reduce',
    replace: 'return [offered, allowed > left ? allowed : left].reduce',
    tests: ['ledger/hand-over-rules', ...model]
  },
  {
    name: 'a verdict refuted twice',
    file: 'ledger/dispute-rules.ts',
    find: "if (known?.status === 'refuted') return refuseAgain(known)",
    replace: '',
    tests: ['ledger/dispute-rules', ...model]
  },
  {
    name: 'the bond of an answered demand to the verifier',
    file: 'ledger/dispute-rules.ts',
    find: '  state.burned += bond\n',
    replace: '  openAccount(state, verifier).free += bond\n',
    tests: ['ledger/dispute-rules', ...model]
  },
  {
    name: 'fees of a proved round that who kept its proofs back saves',
    file: 'ledger/settle-deal.ts',
    find: 'proving.verifiersPerDeal - paidVerifiers.length',
    replace: '0',
    tests: ['ledger/close-round', ...model]
  },
  {
    name: 'a demand that ages in the round in which it was raised',
    file: 'ledger/dispute-rules.ts',
    find: 'state.countedRounds + (state.open === undefined ? 0 : 1)',
    replace: 'state.countedRounds',
    tests: ['ledger/dispute-rules', ...model]
  },
  {
    name: 'a verifier that answers too late',
    file: 'ledger/dispute-rules.ts',
    find: 'state.countedRounds - dispute.sinceCountedRound < answerRounds',
    replace: 'state.countedRounds - dispute.sinceCountedRound <= answerRounds',
    tests: model
  }
]

/** Run against random runs of the model, or against what tests the rule where runs meet it too seldom. */
export const ledgerMutants: MutantSuite = { name: 'ledger', packageName: 'core', mutants }
