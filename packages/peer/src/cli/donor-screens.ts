/** What the daemon says, as text for people. */

import colors from 'picocolors'
import type { z } from 'zod'
import type { CheckName, Finding } from '../doctor/finding.ts'
import type { askShape, earningsShape } from '../http/routes/donor-routes.ts'
import type { statusShape } from '../http/routes/status-routes.ts'
import { formatAmount, formatSize } from '../units.ts'
import { formatTime } from './ledger/show.ts'
import { escapeForTerminal } from './output.ts'
import { formatFacts, formatTable } from './table.ts'

type Status = z.output<(typeof statusShape)['answer']>

export function showPeer(peer: Status): string {
  const { deals, bytes } = peer
  const facts = formatFacts([
    ['peer', `${peer.address}, ${peer.roles.join(', ')} on network "${peer.network}"`],
    ['listening', peer.listening.join(' ') || 'on no port'],
    ['running', `since ${formatTime(peer.startedMs)}`],
    ['round', `${peer.round}; the next one opens at ${formatTime(peer.nextRoundMs)}`],
    [
      'credits',
      `${formatAmount(peer.free)} free, ${formatAmount(peer.collateral)} kept as collateral, ${formatAmount(peer.stake)} staked`
    ],
    [
      'deals',
      `${deals.running} running for ${formatSize(deals.bytes)}${deals.owing > 0 ? `, ${deals.owing} of them owe proofs` : ''}`
    ],
    ...(bytes === undefined ? [] : [['disk', describeBytes(bytes)] as const]),
    ...(peer.audit === undefined ? [] : [['audit', describeAudit(peer.audit)] as const])
  ])
  const problems = peer.problems.map(problem => `${colors.yellow('!')} ${escapeForTerminal(problem)}\n`).join('')
  return `${facts}${problems === '' ? colors.green('nothing is wrong\n') : problems}`
}

function describeAudit({ readBytes, totalBytes, passes, challenges, healed }: NonNullable<Status['audit']>): string {
  const read = `${formatSize(readBytes)} of ${formatSize(totalBytes)} read again`
  const before = passes === 0 ? '' : `, all of it ${passes === 1 ? 'once' : `${passes} times`} before`
  return `${read}${before}; own challenges: ${challenges}${healed === 0 ? '' : `; healed pieces: ${healed}`}`
}

function describeBytes(bytes: NonNullable<Status['bytes']>): string {
  const parts: readonly (readonly [number, string])[] = [
    [bytes.paid, 'paid'],
    [bytes.leased, 'waiting for an order'],
    [bytes.unpaid, 'unpaid'],
    [bytes.reserved, 'promised to uploads'],
    [bytes.layers + bytes.other, 'indexes'],
    [bytes.incoming, 'arriving'],
    [bytes.damaged, 'damaged'],
    [bytes.free, 'free']
  ]
  const said = parts.filter(([size]) => size > 0).map(([size, what]) => `${formatSize(size)} ${what}`)
  return `${said.join(', ') || 'nothing'} of ${formatSize(bytes.capacity)}`
}

type Earnings = z.output<(typeof earningsShape)['answer']>

export function showEarnings(earnings: Earnings): string {
  const sums = formatTable(
    [{ head: 'what' }, { head: 'credits', align: 'right' }],
    [
      ...Object.entries(earnings.sums)
        .filter(([, sum]) => sum !== 0n)
        .map(([kind, sum]) => [kind, signed(sum)]),
      ['free now', formatAmount(earnings.free)]
    ]
  )
  const rounds = formatTable(
    [
      { head: 'round', align: 'right' },
      { head: 'booked' },
      { head: 'paid', align: 'right' },
      { head: 'kept back', align: 'right' },
      { head: 'fees', align: 'right' },
      { head: 'not paid, and why' }
    ],
    earnings.rounds.map(round => [
      `${round.round}`,
      formatTime(round.timeMs),
      formatAmount(round.paid),
      formatAmount(round.withheld),
      formatAmount(round.fees),
      round.unpaid.map(({ reason, deals }) => `${deals} ${deals === 1 ? 'deal' : 'deals'}: ${reason}`).join('; ')
    ])
  )
  const { tomorrow } = earnings
  return [
    sums,
    earnings.rounds.length === 0 ? 'No round has paid yet.\n' : rounds,
    `The next ${tomorrow.rounds} rounds bring between ${formatAmount(tomorrow.least)} and ${formatAmount(tomorrow.most)} credits, by what is proved; fees for checking others come on top.\n`
  ].join('\n')
}

function signed(amount: bigint): string {
  return amount < 0n ? `−${formatAmount(-amount)}` : `+${formatAmount(amount)}`
}

export function showAsk(ask: z.output<(typeof askShape)['answer']>): string {
  return formatFacts([
    ['price', `${ask.pricePerLeafRound} atto for a leaf (32 bytes) and round`],
    ['disk', formatSize(ask.capacityBytes)],
    ['region', ask.region || 'not said'],
    ['reached at', ask.addresses.join(' ') || 'nowhere'],
    ['in force', ask.inForce ? 'yes' : 'from the next round on']
  ])
}

const MARKS: Readonly<Record<Finding['status'], string>> = {
  ok: colors.green('✔'),
  warning: colors.yellow('!'),
  problem: colors.red('✘'),
  skipped: colors.dim('–')
}

export function showFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  return findings
    .map(({ check, status, message, advice }) => {
      const line = `${MARKS[status]} ${(check satisfies CheckName).padEnd(width)}  ${escapeForTerminal(message)}\n`
      return advice === undefined ? line : `${line}  ${' '.repeat(width)}  ${colors.dim(escapeForTerminal(advice))}\n`
    })
    .join('')
}
