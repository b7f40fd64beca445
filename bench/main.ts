/**
 * The one door for benchmarks: `npm run bench -- SUITE… [--quick] [--json] [--row NAME]…`.
 *
 * A suite is a name and its rows (harness.ts); to add one, write bench/NAME.ts and put it into the list below. Without a
 * suite, all run. `--json` prints one object a line for each row and peer; `--quick` measures less, to see that all works.
 */
import { parseArgs } from 'node:util'
import { dataSuite } from './data.ts'
import type { Row, Suite } from './harness.ts'
import { ledgerSuite } from './ledger.ts'
import { proofsSuite } from './proofs.ts'
import { verifySuite } from './verify.ts'

const suites: readonly Suite[] = [proofsSuite, dataSuite, ledgerSuite, verifySuite]

const USAGE = `npm run bench -- [SUITE…] [--quick] [--json] [--row NAME]…

Suites: ${suites.map(suite => suite.name).join(', ')}; without one, all run. Ratios above 1 are better than the peer.
  --quick  smaller sizes, to see that all works
  --json   one object a line for each row and peer
  --row    only this row and its parts (NAME, NAME-…); may be given several times
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    row: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', short: 'h', default: false }
  }
})
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', () => process.exit(0))
const unknown = positionals.filter(name => !suites.some(suite => suite.name === name))
if (unknown.length > 0) {
  process.stderr.write(`no suite ${unknown.join(', ')}; there are ${suites.map(suite => suite.name).join(', ')}\n`)
  process.exit(2)
}

function formatFigure(figure: number): string {
  return figure >= 100 ? Math.round(figure).toLocaleString('en') : figure.toPrecision(3)
}

function formatRow({ row, value, unit, peer, peerValue, ratio, cpuSeconds, rssMiB }: Row): string {
  const cells = [
    row.padEnd(20),
    `${formatFigure(value)} ${unit}`.padStart(16),
    peer.padStart(22),
    (peerValue === 0 ? '' : formatFigure(peerValue)).padStart(10),
    (ratio === 0 ? '' : `× ${formatFigure(ratio)}`).padStart(9),
    `${formatFigure(cpuSeconds)} s`.padStart(9),
    `${formatFigure(rssMiB)} MiB`.padStart(10)
  ]
  return cells.join('  ')
}

if (!values.json) {
  const heads = ['row'.padEnd(20), 'Holdfast'.padStart(16), 'peer'.padStart(22), 'its figure'.padStart(10)]
  heads.push('ratio'.padStart(9), 'CPU'.padStart(9), 'memory'.padStart(10))
  process.stdout.write(`${heads.join('  ')}\n`)
}
for (const suite of suites) {
  if (positionals.length > 0 && !positionals.includes(suite.name)) continue
  for await (const row of suite.rows({ quick: values.quick, rows: values.row })) {
    if (values.row.length > 0 && !values.row.some(name => `${row.row}-`.startsWith(`${name}-`))) continue
    process.stdout.write(`${values.json ? JSON.stringify(row) : formatRow(row)}\n`)
    if (row.note !== undefined && !values.json) process.stdout.write(`${' '.repeat(20)}  ${row.note}\n`)
  }
}
