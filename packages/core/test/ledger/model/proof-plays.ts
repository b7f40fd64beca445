/** Steps about pieces, attestations and self-proofs. */

import { digestOfAsked } from '../../../src/evidence/transcript.ts'
import { digestOfProofs, type PieceProof } from '../../../src/ledger/commands.ts'
import { roundEvidenceOf } from '../../../src/ledger/round-evidence.ts'
import { encodeVerdicts } from '../../../src/rounds/verdicts.ts'
import type { Address } from '../../../src/schema.ts'
import { rootOf as cidOf } from '../memory-pieces.ts'
import { clientOf, depositFor } from './money-plays.ts'
import { ownFlaw, type Player, pick, type Step } from './player.ts'
import type { PieceFacts } from './simple/facts.ts'
import { dealsOf, findDeal } from './simple/state.ts'
import {
  CONDUCTS,
  type Conduct,
  damage,
  type KeptTranscript,
  keepTranscript,
  prove,
  proveOpen,
  rootOf
} from './transcripts.ts'
import { CHECKERS, EVERYBODY, PIECES, pieceFacts } from './world.ts'

const NO_PIECE = cidOf('no piece')
const noPiece: PieceFacts = { name: NO_PIECE.toString(), isPiece: false, rawSize: 0, leafCount: 0 }

export function addPieces(player: Player, step: Step): void {
  const { client, dealId } = clientOf(player, step)
  const deal = findDeal(player.model, dealId)
  // Mostly such that the deal has not got yet.
  const fresh = pieceFacts.filter(({ name }) => !deal?.pieces.some(one => one.name === name && one.until === undefined))
  const offered = step.how % 8 === 7 || fresh.length === 0 ? pieceFacts : fresh
  const count = 1 + (step.what % 5 === 4 ? 1 : 0)
  const added = Array.from({ length: count }, (_, index) => pick(offered, step.what + (step.how % 9 === 8 ? 0 : index)))
  if (ownFlaw(step) === 2) added.push(noPiece)
  const pieces = added.map(({ name }) => PIECES.find(({ cid }) => cid.toString() === name)?.cid ?? NO_PIECE)
  const labels = [...pieces.map(() => Uint8Array.of(1)), ...(ownFlaw(step) === 3 ? [Uint8Array.of(2)] : [])]
  const leaves = added.reduce((sum, { leafCount }) => sum + leafCount, 0)
  const deposit = depositFor(player, step, dealId, leaves)
  const statement = { client, dealId, pieces, labels, deposit }
  const acceptor = deal && { acceptor: deal.provider }
  player.submitOrHold(player.sign('PiecesOrder', step, client, statement, { ...acceptor, pieces: added }), step)
}

export function removePieces(player: Player, step: Step): void {
  const { client, dealId } = clientOf(player, step)
  const present = findDeal(player.model, dealId)?.pieces.filter(({ until }) => until === undefined) ?? []
  const owed = present.filter(({ id }) => findDeal(player.model, dealId)?.docket.some(leaf => leaf.pieceId === id))
  const wanted = owed.length > 0 ? owed : present
  const pieceIds = wanted.length === 0 || step.how % 9 === 8 ? [77] : [pick(wanted, step.what).id]
  if (step.how % 11 === 10) pieceIds.push(pieceIds[0]!)
  player.submitOrHold(player.sign('RemovePieces', step, client, { client, dealId, pieceIds }), step)
}

/** How a step lets a verifier treat a deal: mostly one way for all of a round. */
function conductOf({ how }: Step, verifier: number, dealId: number): Conduct {
  const style = how % 10
  if (style < 4) return 'honest'
  if (style === 4) return 'no answer'
  if (style === 5) return 'caught'
  if (style === 6) return dealId % 2 === 0 ? 'honest' : 'no answer'
  return pick(CONDUCTS, (how >> 3) + verifier * 5 + dealId)
}

export async function attest(
  player: Player,
  step: Step,
  verifier: Address = pick(CHECKERS, step.who).address
): Promise<void> {
  const { open, round } = player.model
  const dealIds = open === undefined ? [] : dealsOf(open, verifier)
  const index = CHECKERS.findIndex(({ address }) => address === verifier)
  const kept: KeptTranscript[] = []
  for (const dealId of dealIds)
    kept.push(await keepTranscript(player, verifier, dealId, conductOf(step, index, dealId)))
  const flaw = ownFlaw(step)
  const words = encodeVerdicts(kept.map(({ verdict }) => verdict))
  const verdicts =
    flaw === 0
      ? Uint8Array.from([...words, 0])
      : flaw === 1
        ? words.map(byte => byte | 3)
        : flaw === 2
          ? words.slice(1)
          : words
  if (flaw === 4 && kept.length % 4 !== 0) verdicts[verdicts.length - 1]! |= 0x40
  const statement = { verifier, round: flaw === 3 ? round + 1 : round, verdicts, transcripts: rootOf(kept) }
  const refused = player.submit(player.sign('Attestation', step, verifier, statement))
  if (refused === undefined) player.kept.set(`${verifier}/${round}`, kept)
}

/** Every verifier that has something to check attests, or all but one. */
export async function attestAll(player: Player, step: Step): Promise<void> {
  for (const [index, { address }] of CHECKERS.entries()) {
    const isAssigned = player.model.open !== undefined && dealsOf(player.model.open, address).length > 0
    const isAway = step.what % 4 === 3 && index === step.who % CHECKERS.length
    if (isAssigned && !isAway) await attest(player, { ...step, flaw: 0 }, address)
  }
}

/** What a self-proof signs as asked; a copy. */
function askedOf(player: Player, dealId: number, docket: boolean): Uint8Array {
  const asked = docket ? undefined : roundEvidenceOf(player.ledger.state, player.model.round, dealId)
  return asked === undefined ? new Uint8Array(32) : digestOfAsked(asked)
}

async function submitProof(
  player: Player,
  step: Step,
  dealId: number,
  docket: boolean,
  proofs: readonly PieceProof[]
): Promise<void> {
  const flaw = ownFlaw(step)
  const { model } = player
  const provider =
    flaw === 0 ? pick(EVERYBODY, step.what).address : (findDeal(model, dealId)?.provider ?? EVERYBODY[0]!.address)
  const verify = flaw !== 1
  const shown = verify ? proofs : damage(proofs)
  const digest = flaw === 2 ? new Uint8Array(32) : digestOfProofs(shown)
  const round = model.round + (flaw === 3 ? 1 : 0)
  // Of a round that is not open yet nobody knows what it asks.
  const askedFits = flaw !== 6 && (flaw !== 3 || docket)
  const asked = askedOf(player, dealId, docket)
  if (!askedFits) asked[step.what % 32]! ^= 1
  const statement = { provider, dealId, round, docket, asked, proofs: digest }
  const facts = { rest: { proofs: shown }, proofs: { digestFits: flaw !== 2, askedFits, verify } }
  player.submitOrHold(player.sign('SelfProof', step, provider, statement, facts), step)
}

/** Proves the open round of a deal: one that is challenged, mostly. */
export async function proveRound(player: Player, step: Step): Promise<void> {
  const { open } = player.model
  const challenged =
    open?.deals.filter(({ dealId }) => (player.ledger.state.deals.get(dealId)?.pieces.length ?? 0) > 0) ?? []
  if (challenged.length > 0 && step.what % 8 !== 7) {
    const { dealId } = pick(challenged, challenged.length - 1 - (step.who % challenged.length))
    const proofs = await proveOpen(player, dealId)
    const flaw = ownFlaw(step)
    const wrong = flaw === 4 && proofs.length > 1 ? proofs.toReversed() : flaw === 5 ? [...proofs, proofs[0]!] : proofs
    return submitProof(player, step, dealId, false, wrong)
  }
  const deal = player.deal(step)
  const piece = deal?.pieces.find(({ gone }) => !gone)
  if (deal === undefined || piece === undefined || deal.status === 'ended') return
  await submitProof(player, step, deal.id, false, await prove(player, deal.id, [{ pieceId: piece.id, leafIndex: 0 }]))
}

export async function proveAll(player: Player, step: Step): Promise<void> {
  for (const { dealId } of player.model.open?.deals ?? [])
    await submitProof(player, { ...step, flaw: 0 }, dealId, false, await proveOpen(player, dealId))
}

/** Proves leaves of a docket: all, or a slice, or one that is not on it. */
export async function clearDocket(player: Player, step: Step): Promise<void> {
  const indebted = player.model.deals.filter(({ docket }) => docket.length > 0)
  const deal = indebted.length > 0 ? pick(indebted, step.who) : player.deal(step)
  if (deal === undefined) return
  const { docket } = deal
  const slice =
    step.how % 3 === 0 ? docket.slice(0, 1 + (step.what % 3)) : step.how % 3 === 1 ? docket.slice(-1) : docket
  const piece = deal.pieces.find(({ gone }) => !gone)
  const stray = ownFlaw(step) === 4 || slice.length === 0
  if (stray && (piece === undefined || deal.status === 'ended')) return
  const leaves = stray ? [{ pieceId: piece!.id, leafIndex: step.what % piece!.leafCount }] : slice
  await submitProof(player, step, deal.id, true, await prove(player, deal.id, leaves))
}
