/** A devnet as a story on a terminal, or in a log: headings, bars, and one table a round. */
import type { Address, DealResult, LedgerState } from '@holdfast/core'
import cliProgress from 'cli-progress'
import Table from 'cli-table3'
import colors from 'picocolors'
import { openProgressBars } from '../cli/progress-bars.ts'
import { formatAmount, formatSize } from '../units.ts'
import type { ClosedRound, Screen } from './screen.ts'

const LEGEND = [
  'leaves: samples of 32 bytes that the round asked for · balance: what the provider can spend',
  'paid: credited now; as much again is kept as the deal’s collateral, until that is full'
].join('\n')

export function createTextScreen(): Screen {
  const names = new Map<string, string>()
  const nameOf = (address: string) => names.get(address) ?? address
  let legendShown = false
  let booting = false

  function say(text = ''): void {
    process.stdout.write(`${text}\n`)
  }

  function heading(text: string): void {
    say(`\n${colors.bold(text)}`)
  }

  return {
    heading,
    process(name, role, pid) {
      if (!booting) heading('Processes of this network, all on loopback:')
      booting = true
      say(`  ${name.padEnd(12)} pid ${String(pid).padEnd(8)} ${colors.dim(role)}`)
    },
    namePeers(peers) {
      for (const { name, address } of peers) names.set(address, name)
      say(
        colors.yellow(
          '  The beacon of this devnet is one key of its ledger host, which could foresee every challenge. A real network uses drand.'
        )
      )
    },
    packing(path) {
      heading(`Packing ${path}`)
      if (process.stdout.isTTY !== true) return { report: () => undefined, [Symbol.dispose]: () => undefined }
      const bar = new cliProgress.SingleBar({
        format: '  {size} in {files} files',
        clearOnComplete: true,
        hideCursor: true
      })
      bar.start(1, 0, { size: formatSize(0), files: 0 })
      return {
        report: ({ contentSizeBytes, fileCount }) =>
          bar.update(0, { size: formatSize(contentSizeBytes), files: fileCount }),
        [Symbol.dispose]: () => bar.stop()
      }
    },
    packed(path, { root, pieces, contentSizeBytes, fileCount, blockCount }, quote) {
      heading(`Packed ${path}, in public: whoever knows the root CID can read it`)
      say(`  root   ${colors.cyan(root.toString())}`)
      say(`         ${fileCount} files, ${formatSize(contentSizeBytes)} of content, ${blockCount} blocks`)
      for (const { cids, rawSize } of pieces) say(`  piece  ${cids[0]}  ${formatSize(rawSize)}`)
      say(`  quote  ${formatAmount(quote.pricePerRound)} credits a round for ${quote.providers.length} replicas`)
      say(
        `         ${formatAmount(quote.escrow)} credits in escrow, enough for ${quote.fundedRounds} rounds; what is not used comes back`
      )
    },
    storing() {
      heading('Storing on three providers. Each hashes while it writes, syncs to disk and countersigns.')
      return openProgressBars(false, nameOf)
    },
    round(closed, state) {
      say(
        `\n${colors.bold(`Round ${closed.round}`)}${closed.late ? colors.yellow(' closed late: what was not proved is void, without fault or pay') : ''}`
      )
      say(formatRound(closed, state, nameOf))
      if (!legendShown) say(colors.dim(LEGEND))
      legendShown = true
    },
    killing: (name, pid, how) => heading(`Killing ${name} (pid ${pid}) with ${how}.`),
    restarted: (name, pid) =>
      heading(`${name} runs again (pid ${pid}). It proves to the ledger what it owes; then its pay resumes.`),
    recovered: (name, before, collateral) =>
      say(
        colors.green(
          `\n✔ ${name} is paid again, owes nothing, and no collateral was touched (${formatAmount(before)} before, ${formatAmount(collateral)} now).`
        )
      ),
    readBack: (files, bytes, without) =>
      say(
        colors.green(
          `\n✔ A fresh process read everything back without ${without}: ${files} files, ${formatSize(bytes)}, every byte equal.`
        )
      ),
    replayed(entries, stateHash, sum, supply) {
      say(
        colors.green(
          `✔ A fresh process replayed the ledger’s ${entries} entries from disk: state ${stateHash.slice(0, 16)}…`
        )
      )
      say(
        colors.green(
          `✔ Credits are conserved to the atto: ${formatAmount(sum, 18)} in all balances, ${formatAmount(supply, 18)} at genesis.`
        )
      )
    },
    done({ rootCid, replicas, rounds, faults }) {
      heading(
        `Done: ${replicas} replicas of ${rootCid}, ${rounds} rounds with deals, ${faults} ${faults === 1 ? 'fault' : 'faults'} (of providers that were killed).`
      )
    },
    stayingUp: () => heading('The network stays up. Ctrl-C stops every process of it.')
  }
}

function formatRound({ results }: ClosedRound, state: LedgerState, nameOf: (address: Address) => string): string {
  const table = new Table({
    head: ['deal', 'provider', 'leaves', 'verdict', 'paid', 'balance'],
    colAligns: ['right', 'left', 'right', 'left', 'right', 'right'],
    style: { head: [], border: [], compact: true }
  })
  for (const result of results) {
    const balance = state.accounts.get(result.provider)?.free ?? 0n
    table.push([
      result.dealId,
      nameOf(result.provider),
      result.leavesAsked,
      formatVerdict(result),
      formatAmount(result.paid),
      formatAmount(balance)
    ])
  }
  return table.toString()
}

function formatVerdict({ outcome, docketLeaves, paid }: DealResult): string {
  const owed = docketLeaves === 0 ? '' : `, owes ${docketLeaves} leaves`
  switch (outcome.kind) {
    case 'proved':
      return colors[paid > 0n ? 'green' : 'yellow'](
        `proved ${outcome.by === 'quorum' ? 'to its verifier' : 'on the ledger'}${owed}`
      )
    case 'fault':
      return colors.red(`fault: ${outcome.reason}${owed}`)
    case 'void':
      return colors.yellow('void')
  }
}
