/** Planted faults where one party's word is checked by another: watchers, self-proofs, receipts. */
import type { Mutant, MutantSuite } from './plant.ts'

const watcher = ['watch/watcher']
const chosen = ['watch/choose-verdicts']

const mutants: readonly Mutant[] = [
  {
    name: 'a self-proof that signs other pieces than the round asks for',
    file: 'ledger/proof-rules.ts',
    find: 'if (!equalBytes(asked, askedDigestOf(deal, open.opening))) return refusePieces(deal)',
    replace: '',
    tests: ['ledger/proof-rules']
  },
  {
    name: 'a self-proof of the docket that a receipt could take for one of the round',
    file: 'ledger/proof-rules.ts',
    find: 'if (!equalBytes(asked, ASKED_OF_DOCKET)) return refusePieces(deal)',
    replace: '',
    tests: ['ledger/proof-rules']
  },
  {
    name: 'a receipt of a self-proof with other pieces beside those that were hit',
    file: 'evidence/check-receipt.ts',
    find: 'if (!equalBytes(statement.asked, digestOfAsked({ provider, leavesPerRound, pieces })))',
    replace: 'if (equalBytes(statement.asked, new Uint8Array(0)))',
    tests: ['evidence/receipt']
  },
  {
    name: 'a watcher that never looks',
    file: 'watch/watcher.ts',
    find: 'if (isOther && !isRaised(target) && roundOf(target) !== undefined)',
    replace: 'if (!isOther)',
    tests: watcher
  },
  {
    name: 'a watcher that asks the ledger before it has asked twice',
    file: 'watch/watcher.ts',
    find: 'const ASKED_BEFORE_DEMAND = 2',
    replace: 'const ASKED_BEFORE_DEMAND = 1',
    tests: watcher
  },
  {
    name: 'a watcher that forgets whom it has asked while they stalled',
    file: 'watch/watcher.ts',
    find: '        noteAsked(target)\n',
    replace: '',
    tests: watcher
  },
  {
    name: 'a watcher that holds what is not shown against nobody',
    file: 'watch/watcher.ts',
    find: 'if (isAskedEnough(target)) await pressSilent(target, signal)',
    replace: '',
    tests: watcher
  },
  {
    name: 'a dispute with another id each time',
    file: 'watch/watcher.ts',
    find: 'return sizeBytes => digest.subarray(0, sizeBytes)',
    replace: 'return sizeBytes => random(sizeBytes)',
    tests: watcher
  },
  {
    name: 'a demand where it costs more than it can win',
    file: 'watch/judge-demand.ts',
    find: 'return reward * refuted > transcriptBond * answered',
    replace: 'return reward > transcriptBond',
    tests: chosen
  },
  {
    name: 'a draw that looks at one’s own verdicts',
    file: 'watch/choose-verdicts.ts',
    find: 'if (verifier === self) continue',
    replace: '',
    tests: chosen
  },
  {
    name: 'a draw that looks at the first verdicts more often',
    file: 'watch/choose-verdicts.ts',
    find: 'const place = draw.below(all)',
    replace: 'const place = Math.min(draw.below(all), draw.below(all))',
    tests: chosen
  },
  {
    name: 'a silence that is looked at',
    file: 'watch/choose-verdicts.ts',
    find: "if (verdict === 'no answer') continue",
    replace: '',
    tests: chosen
  }
]

export const wordsMutants: MutantSuite = { name: 'words', packageName: 'core', mutants }
