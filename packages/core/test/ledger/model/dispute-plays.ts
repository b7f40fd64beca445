/** Steps about what verifiers have said, and what they have to show for it. */
import type { Address } from '../../../src/schema.ts'
import { amountNear, ownFlaw, type Player, pick, type Step } from './player.ts'
import type { TranscriptFacts } from './simple/facts.ts'
import { show } from './transcripts.ts'
import { EVERYBODY } from './world.ts'

interface Verdict {
  readonly verifier: Address
  readonly round: number
  readonly dealId: number
}

/** A verdict of the last rounds, kept with its transcript: one that means something, mostly. */
function verdictIn(player: Player, { who, what, how }: Step): Verdict | undefined {
  const all = [...player.kept].slice(-12)
  // What those said who are leaving matters longest.
  const leaving = all.filter(([key]) =>
    player.model.verifiers.some(({ address, leaving }) => leaving.length > 0 && key.startsWith(address))
  )
  const kept = how % 4 === 0 && leaving.length > 0 ? leaving : all.slice(how % 9 === 8 ? 0 : -6)
  if (kept.length === 0) return undefined
  const [key, transcripts] = pick(kept, who)
  const [verifier, round] = key.split('/') as [Address, string]
  const { dealId } = pick(transcripts, what)
  const about = { verifier, round: Number.parseInt(round, 10), dealId }
  if (how % 17 === 16) return { ...about, dealId: dealId + 1 }
  return how % 19 === 18 ? { ...about, round: Math.max(1, about.round - 6) } : about
}

export function demandTranscript(player: Player, step: Step): void {
  const about = verdictIn(player, step)
  if (about === undefined) return
  const demander = pick(EVERYBODY, step.how).address
  const bond = amountNear(player.ledger.parameters.money.transcriptBond, step)
  player.submitOrHold(player.sign('DemandTranscript', step, demander, { demander, ...about, bond }), step)
}

/** What is shown about a verdict, and in which way it is spoilt. */
function shownOf(player: Player, { verifier, round, dealId }: Verdict, step: Step) {
  const kept = player.kept.get(`${verifier}/${round}`)
  const index = kept?.findIndex(one => one.dealId === dealId) ?? -1
  if (kept === undefined || index === -1) return undefined
  const flaw = ownFlaw(step)
  // Another transcript of the same verifier stands under the root too, at another place.
  const { transcript, path, proofs, digest, under, facts } = show(kept, flaw === 0 ? (index + 1) % kept.length : index)
  const isPathCut = flaw === 1
  const areOthers = flaw === 2 && proofs.length > 0
  const isAbsent = flaw === 3
  const described: TranscriptFacts = {
    ...facts,
    digestFits: flaw !== 4,
    under: isPathCut ? undefined : under,
    ...(areOthers && { proofs: 'others' as const }),
    ...(isAbsent && { proofs: 'none' as const })
  }
  return {
    transcript: flaw === 4 ? new Uint8Array(32) : digest,
    rest: {
      transcript,
      path: isPathCut ? [...path, new Uint8Array(32)] : path,
      ...(!isAbsent && { proofs: areOthers ? proofs.map(proof => ({ ...proof, nodes: new Uint8Array(32) })) : proofs })
    },
    facts: described
  }
}

/** Answers what is demanded; demands first what nobody has. */
export function answerTranscript(player: Player, step: Step): void {
  if (!player.model.disputes.some(({ status }) => status === 'open') && step.how % 4 !== 3)
    demandTranscript(player, { ...step, flaw: 0, how: 0 })
  const open = player.model.disputes.filter(({ status }) => status === 'open')
  const about = open.length > 0 && step.how % 8 !== 7 ? pick(open, step.who) : verdictIn(player, step)
  const shown = about && shownOf(player, about, ownFlaw(step) === 3 ? { ...step, flaw: 0 } : step)
  if (about === undefined || shown === undefined) return
  const { verifier, round, dealId } = about
  const statement = { verifier, round, dealId, transcript: shown.transcript }
  player.submitOrHold(
    player.sign('AnswerTranscript', step, verifier, statement, { rest: shown.rest, transcript: shown.facts }),
    step
  )
}

/** Refutes one that can be refuted, if there is one, mostly. */
export function refute(player: Player, step: Step): void {
  const refutable = [...player.kept].slice(-12).flatMap(([key, transcripts]) => {
    const [verifier, round] = key.split('/') as [Address, string]
    return transcripts
      .filter(
        ({ facts, verdict, transcript, digest: _ }) =>
          facts.push !== 'signed' ||
          !facts.askedFits ||
          (facts.proofs === 'good') !== (verdict === 'pass') ||
          transcript.verdict !== verdict
      )
      .map(({ dealId }) => ({ verifier, round: Number.parseInt(round, 10), dealId }))
  })
  const demanded = refutable.filter(one =>
    player.model.disputes.some(
      ({ status, verifier, round, dealId }) =>
        status === 'open' && one.verifier === verifier && one.round === round && one.dealId === dealId
    )
  )
  const wanted = demanded.length > 0 ? demanded : refutable
  const about = wanted.length > 0 && step.how % 4 !== 3 ? pick(wanted, step.who) : verdictIn(player, step)
  const shown = about && shownOf(player, about, step)
  if (about === undefined || shown === undefined) return
  const refuter = pick(EVERYBODY, step.what).address
  const statement = { refuter, ...about, transcript: shown.transcript }
  player.submitOrHold(
    player.sign('Refute', step, refuter, statement, { rest: shown.rest, transcript: shown.facts }),
    step
  )
}
