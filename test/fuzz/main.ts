/**
 * Fuzzing without end in sight: `npm run fuzz -- [TARGET…] [--seed N] [--first N] [--count N]`.
 *
 * A target is named in full (`proofs/verifyBlock`) or by its package (`proofs`). Without a seed, the clock gives one; it
 * is printed, and with it every case can be repeated. The tests run the same targets with a small count.
 */
import { parseArgs } from 'node:util'
import { fuzz } from './fuzz.ts'
import { fuzzTargets } from './targets.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, first: { type: 'string' }, count: { type: 'string' } }
})
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const first = Number(values.first ?? 0)
const count = Number(values.count ?? 200_000)
const targets = fuzzTargets.filter(
  ({ name }) => positionals.length === 0 || positionals.some(wanted => name === wanted || name.startsWith(`${wanted}/`))
)
if (targets.length === 0 || ![seed, first, count].every(Number.isSafeInteger)) {
  process.stderr.write(`no such target or number; there are ${fuzzTargets.map(({ name }) => name).join(', ')}\n`)
  process.exit(2)
}
for (const target of targets) {
  const before = performance.now()
  fuzz(target, { seed, first, count })
  const seconds = (performance.now() - before) / 1000
  process.stdout.write(`${target.name}: ${count} cases of seed ${seed} from ${first} in ${seconds.toFixed(1)} s\n`)
}
