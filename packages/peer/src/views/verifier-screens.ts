/** A verifier's figures and rounds as text for people. Pure. */
import type { DialRecord } from '@holdfast/core'
import { formatAmount, formatSize } from '../units.ts'
import type { VerifierQuote } from '../verifier/quote-verifier.ts'
import type { VerifierRound } from '../verifier/round-book.ts'

/** Name and value of each line, with the arithmetic: what one earns, pays and risks. */
export function incomeFacts(quote: VerifierQuote): (readonly [string, string])[] {
  const { expected, cost, roundMs, roundsPerDay } = quote
  const { places, placesOfAll, operators, verifiersPerDeal, deals, dealsAssigned, perDeal, perRound, risk } = expected
  const share = `${quote.verifierFeePpm / 10_000} % of its price among ${verifiersPerDeal}`
  const silence = quote.roundsLostBySilence === undefined ? '' : ` (what ${quote.roundsLostBySilence} rounds earn)`
  return [
    [
      'stake',
      `${formatAmount(quote.stake)} credits: ${places} of ${placesOfAll} places, ${count(operators, 'operator')}`
    ],
    [
      'assigned',
      operators < verifiersPerDeal
        ? `nothing yet: a deal needs ${count(verifiersPerDeal, 'operator')}, and with you there are ${operators}`
        : `${dealsAssigned.toFixed(1)} of ${count(deals, 'deal')} in a round of ${formatSeconds(roundMs)}: each takes ${count(verifiersPerDeal, 'operator')}, drawn by their places`
    ],
    ['earns', `${formatAmount(perDeal)} credits for a deal and round: ${share}`],
    [
      'a round',
      `${dealsAssigned.toFixed(1)} × ${formatAmount(perDeal)} = ${formatAmount(perRound)} credits, if every deal answers`
    ],
    ['a day', `${roundsPerDay} rounds × ${formatAmount(perRound)} = ${formatAmount(quote.perDay)} credits`],
    [
      'costs',
      `for a deal and round: ${expected.cost.leaves} leaves in ${formatSize(expected.cost.proofBytes)}, ${expected.cost.nodeHashes} hashes and a signature: ${cost.cpuMsPerDeal.toFixed(2)} ms of this CPU with the ${cost.hasher} hasher`
    ],
    [
      '',
      `a day: ${formatSize(cost.receivedBytesPerDay)} received, ${formatSeconds(cost.cpuMsPerDay)} of CPU, ${cost.attestationsPerDay} attestations, which are free; ${formatSize(cost.keptBytes)} on disk for what can be disputed`
    ],
    [
      'risks',
      `${formatAmount(risk.silence)} credits for a round in which it says nothing${silence}; ${formatAmount(risk.refutation)} for a verdict that it cannot show the proof of`
    ],
    ['', `stake that is taken back is free after ${risk.openingsToRelease + 1} rounds`]
  ]
}

/** One round in one line. */
export function describeRound(round: VerifierRound, opensMs: number): string {
  const waiting = round.assigned - round.passed - round.bad - round.noAnswer
  const attested =
    round.refusal !== undefined
      ? `NOT ATTESTED: ${round.refusal}`
      : round.attestedMs !== undefined
        ? `attested after ${formatSeconds(Math.max(0, round.attestedMs - opensMs))}`
        : round.isClosed
          ? 'NOT ATTESTED'
          : undefined
  const parts = [
    count(round.assigned, 'deal'),
    `${round.passed} passed`,
    ...(round.bad > 0 ? [`${round.bad} BAD`] : []),
    ...(round.noAnswer > 0 ? [`${round.noAnswer} no answer`] : []),
    ...(waiting > 0 && !round.isClosed && round.attestedMs === undefined ? [`${waiting} to come`] : []),
    ...(attested === undefined ? [] : [attested]),
    ...(round.isClosed ? [`+${formatAmount(round.fees)} credits`] : []),
    ...(round.penalty > 0n ? [`−${formatAmount(round.penalty)} of stake for silence`] : [])
  ]
  return `round ${round.round}: ${parts.join(', ')}`
}

/** Whom a verifier asked, in one line. */
export function describeDial({ fromMs, untilMs, provider, dealIds, addresses, outcome }: DialRecord): string {
  const came =
    outcome.kind === 'answered'
      ? `${count(outcome.proofs, 'proof')} came`
      : outcome.kind === 'refused'
        ? `refused: ${outcome.code} ${outcome.message}`
        : `no answer: ${outcome.code} ${outcome.reason}`
  const asked = `${dealIds.length === 1 ? 'deal' : 'deals'} ${dealIds.join(', ')}`
  return `${new Date(fromMs).toISOString()} for ${formatSeconds(untilMs - fromMs)}, ${provider} at ${addresses.join(' ') || 'no address'}, ${asked}: ${came}`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function formatSeconds(ms: number): string {
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 7_200_000 ? `${(ms / 60_000).toFixed(1)} min` : `${(ms / 3_600_000).toFixed(1)} h`
}
