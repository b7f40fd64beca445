/** What `holdfast verify` shows while it runs: its figures, one line that follows the round, and one for each that is over. */
import { roundOpensMs } from '@holdfast/core'
import type { Peer } from '../peer.ts'
import { formatAmount } from '../units.ts'
import type { CheckingCost } from '../verifier/measure-checking.ts'
import { quoteVerifier } from '../verifier/quote-verifier.ts'
import { describeRound, incomeFacts } from '../views/verifier-screens.ts'
import { type DaemonScreen, peerScreen } from './daemon.ts'
import { printJsonEvent } from './output.ts'
import { createStatusLine } from './status-line.ts'
import { formatFacts } from './table.ts'

/** As often as people can follow. */
const REFRESH_MS = 100

/** @param isShown - whether the figures stand on the screen already */
export function verifyScreen(directory: string, checking: CheckingCost, isShown: boolean): DaemonScreen {
  const line = createStatusLine(process.stdout)
  const others = peerScreen(directory, false)
  let waitsForCredits = false
  return {
    event(event) {
      if (event.kind === 'stake') waitsForCredits = event.event.kind === 'creditsMissing'
      // Proofs come by the thousand; the line below counts them.
      if (event.kind === 'verifier' && event.event.kind !== 'cannotAnswer') return
      line.aside(() => others.event(event))
    },
    ready(peer) {
      const { address, addresses } = peer
      line.print(`holdfast: verifier ${address} runs on ${directory}`)
      for (const one of addresses) line.print(`  listening on ${one}`)
      const quote = quoteOf(peer, checking)
      // Without a stake there are only noughts; what is wanted was shown before.
      if (quote.stake > 0n) {
        if (!isShown) line.print(formatFacts(incomeFacts(quote)).trimEnd())
      } else if (!waitsForCredits)
        line.print(
          'Nothing is staked, so nothing is assigned; it answers for what it has attested. --stake stakes again.'
        )
      line.print(`Ctrl-C stops it. \`holdfast verify status --directory ${directory}\` says more.`)
      follow(peer, line)
    }
  }
}

/** The same for programs: the events of every daemon, the figures, and each round when it is over. */
export function verifyEvents(directory: string, checking: CheckingCost): DaemonScreen {
  const screen = peerScreen(directory, true)
  return {
    event: screen.event,
    ready(peer) {
      screen.ready(peer)
      printJsonEvent('income', { ...quoteOf(peer, checking) })
      const told = new Set<number>()
      peer.verifier?.rounds.subscribe(round => {
        if (!round.isClosed || told.has(round.round)) return
        told.add(round.round)
        printJsonEvent('round', { ...round })
      })
    }
  }
}

function follow({ ledger, verifier }: Peer, line: ReturnType<typeof createStatusLine>): void {
  const { parameters } = ledger.state
  let newestClosed = 0
  let shownMs = 0
  let earned = 0n
  verifier?.rounds.subscribe(round => {
    const text = describeRound(round, roundOpensMs(parameters, round.round))
    if (!round.isClosed && Date.now() - shownMs < REFRESH_MS && round.attestedMs === undefined) return
    shownMs = Date.now()
    if (!round.isClosed) return line.show(`${text}; ${formatAmount(earned)} so far`)
    if (round.round <= newestClosed) return
    newestClosed = round.round
    earned += round.fees
    line.show('')
    line.print(text)
  })
}

function quoteOf({ ledger: { state }, address }: Peer, checking: CheckingCost) {
  const stake = state.verifiers.get(address)?.stake ?? 0n
  return quoteVerifier(state, { verifier: address, stake }, checking)
}
