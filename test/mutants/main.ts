/**
 * Planted faults: `npm run mutants -- SUITE…`. Without a suite, all run.
 *
 * Each fault is a patch of shipped source. It is applied to a temporary copy of the package, and the unchanged tests that
 * stand beside it run until the first failure. A fault that no test notices is a hole in the tests: exit code 1.
 */

import { ledgerMutants } from './ledger.ts'
import { type MutantSuite, plantAll } from './plant.ts'
import { proofsMutants } from './proofs.ts'
import { wordsMutants } from './words.ts'

const suites: readonly MutantSuite[] = [proofsMutants, ledgerMutants, wordsMutants]

const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !suites.some(suite => suite.name === name))
if (unknown.length > 0) {
  process.stderr.write(`no suite ${unknown.join(', ')}; there are ${suites.map(suite => suite.name).join(', ')}\n`)
  process.exit(2)
}
let survived = 0
for (const suite of suites) {
  if (wanted.length > 0 && !wanted.includes(suite.name)) continue
  let killed = 0
  await plantAll(suite, ({ mutant, killedBy }) => {
    if (killedBy !== undefined) killed += 1
    const verdict = killedBy === undefined ? 'SURVIVED' : 'killed  '
    process.stdout.write(`${verdict}  ${mutant.file}: ${mutant.name}\n`)
    if (killedBy !== undefined) process.stdout.write(`          by "${killedBy}"\n`)
  })
  survived += suite.mutants.length - killed
  process.stdout.write(`\n${suite.name}: ${killed} of ${suite.mutants.length} planted faults killed\n`)
}
process.exit(survived === 0 ? 0 : 1)
