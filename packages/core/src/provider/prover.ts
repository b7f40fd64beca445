/**
 * Keeps a provider's deals proved, round after round.
 *
 * From the opening of a round it pushes proofs to the verifiers that the beacon assigned, as they are proved. When they are
 * on their way, it clears dockets, a slice at a time. In the last part of the round it proves to the ledger itself what no
 * quorum replaces (drawn openings) and what the verifiers have not passed. Everything it needs stands in the ledger's
 * state; it keeps none of its own, and in memory no more than a few deals' proofs.
 */
import type { NodeHasher } from '@holdfast/proofs'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Clock } from '../clock.ts'
import type { Signer } from '../identity.ts'
import { ASKED_OF_DOCKET, askedDigestOf } from '../ledger/asked-pieces.ts'
import { digestOfProofs, type PieceProof } from '../ledger/commands.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { assignmentOf, openChallengesOf } from '../ledger/proof-rules.ts'
import { verdictsOn } from '../ledger/settle-deal.ts'
import type { Deal, OpenRound } from '../ledger/state.ts'
import { statementDigestOf } from '../ledger/statements.ts'
import { submitUntilAnswered } from '../ledger/submit-until-answered.ts'
import { LEAVES_PER_ROUND_MAX } from '../network.ts'
import type { PushedProof } from '../protocols/definitions.ts'
import type { Answer } from '../protocols/protocol.ts'
import { rankOf, verifiersOfDeal } from '../rounds/assignment.ts'
import { docketChallenges } from '../rounds/docket.ts'
import { followRounds } from '../rounds/follow-rounds.ts'
import { frozenDealOf } from '../rounds/freeze.ts'
import { mustBeOpened } from '../rounds/opening.ts'
import { attestFromMs, selfProveFromMs } from '../rounds/schedule.ts'
import type { Address } from '../schema.ts'
import { type PieceReader, proveChallenges } from './prove.ts'
import { pushDeals } from './push-deals.ts'
import { createSharedProofs } from './shared-proofs.ts'
import { createTurns } from './turns.ts'

/** Leaves of the docket in one entry: as many as a round may ask for, which fits. */
export const DOCKET_SLICE_LEAVES_MAX = LEAVES_PER_ROUND_MAX

/** Deals that are read and hashed at once: disk and core take turns, and a disk still has time for clients. */
const PROOFS_AT_ONCE_MAX = 4
/** Self-proofs that wait for the ledger at once. */
const SELF_PROOFS_AT_ONCE_MAX = 8

export type PushResult = { readonly dealId: number; readonly verdict: string; readonly reason: string }

export type ProverEvent =
  | {
      readonly kind: 'pushed'
      readonly round: number
      readonly verifier: Address
      readonly answer: Answer<{ results: PushResult[] }>
    }
  | {
      readonly kind: 'provedToLedger'
      readonly round: number
      readonly dealId: number
      readonly docket: boolean
      readonly refusal?: string
    }
  | { readonly kind: 'cannotProve'; readonly dealId: number; readonly reason: string }

export interface ProverOptions {
  readonly ledger: Ledger
  readonly signer: Signer
  readonly pieces: PieceReader
  readonly nodeHasher: NodeHasher
  readonly clock: Clock
  readonly random: (sizeBytes: number) => Uint8Array
  /** Sends proofs to a verifier at its addresses on the ledger. */
  readonly push: (
    addresses: readonly string[],
    message: { round: number; items: PushedProof[] },
    signal: AbortSignal
  ) => Promise<Answer<{ results: PushResult[] }>>
  readonly onEvent?: (event: ProverEvent) => void
  readonly onError?: (error: unknown) => void
}

export interface Prover extends AsyncDisposable {
  start(): void
  stop(): Promise<void>
  /** Proofs of some of this provider's deals for the open round, signed for one verifier: the answer to a challenge. */
  answerChallenge(
    verifier: Address,
    round: number,
    dealIds: readonly number[],
    signal: AbortSignal
  ): Promise<PushedProof[]>
}

export function createProver(options: ProverOptions): Prover {
  const { ledger, signer, clock, nodeHasher, pieces, onEvent = () => undefined, onError = () => undefined } = options
  const { state } = ledger
  const turns = createTurns(PROOFS_AT_ONCE_MAX)

  function ownDeals(open: OpenRound): Deal[] {
    return [...(state.dealsByProvider.get(signer.address) ?? [])]
      .filter(dealId => rankOf(open.dealIds, dealId) !== -1)
      .map(dealId => state.deals.get(dealId)!)
  }

  async function prove(
    deal: Deal,
    challenges: Parameters<typeof proveChallenges>[0],
    signal: AbortSignal
  ): Promise<PieceProof[] | undefined> {
    try {
      const proofs = await proveChallenges(challenges, deal.pieces, pieces, nodeHasher, signal)
      if (proofs === undefined) onEvent({ kind: 'cannotProve', dealId: deal.id, reason: 'a piece is missing' })
      return proofs
    } catch (error) {
      signal.throwIfAborted()
      onEvent({ kind: 'cannotProve', dealId: deal.id, reason: error instanceof Error ? error.message : String(error) })
      return undefined
    }
  }

  /** What the round asks of a deal. */
  function proveOpen(open: OpenRound, deal: Deal, signal: AbortSignal): Promise<PieceProof[] | undefined> {
    signal.throwIfAborted()
    return prove(deal, openChallengesOf(open, deal) ?? [], signal)
  }

  function signPush(verifier: Address, round: number, dealId: number, proofs: PieceProof[]): PushedProof {
    const statement = { provider: signer.address, verifier, dealId, round, proofs: digestOfProofs(proofs) }
    return { dealId, proofs, signature: signer.sign(statementDigestOf(state)('ProofPush', statement)) }
  }

  /** To every verifier at its own pace: one that is slow or silent delays nobody else. */
  async function pushAll(open: OpenRound, round: number, signal: AbortSignal): Promise<void> {
    const assignment = assignmentOf(state, open)
    const dealsByVerifier = new Map<Address, number[]>()
    for (const { id } of ownDeals(open))
      for (const verifier of verifiersOfDeal(assignment, id)) {
        const dealIds = dealsByVerifier.get(verifier)
        if (dealIds === undefined) dealsByVerifier.set(verifier, [id])
        else dealIds.push(id)
      }
    const proofsOf = createSharedProofs(
      dealId => turns(() => proveOpen(open, state.deals.get(dealId)!, signal)),
      dealId => verifiersOfDeal(assignment, dealId).length
    )
    const pushing = Array.from(dealsByVerifier, ([verifier, dealIds]) =>
      pushDeals({
        dealIds,
        proofsOf,
        sign: (dealId, proofs) => signPush(verifier, round, dealId, proofs),
        send: items => push(verifier, { round, items }, signal),
        signal
      })
    )
    await Promise.all(pushing)
  }

  /** One verifier's trouble, such as an address that cannot be dialled, is kept from the others. */
  async function push(
    verifier: Address,
    message: { round: number; items: PushedProof[] },
    signal: AbortSignal
  ): Promise<boolean> {
    try {
      const answer = await options.push(state.verifiers.get(verifier)?.addresses ?? [], message, signal)
      onEvent({ kind: 'pushed', round: message.round, verifier, answer })
      return answer.kind !== 'no-answer'
    } catch (error) {
      if (!signal.aborted) onError(error)
      return false
    }
  }

  async function proveToLedger(
    deal: Deal,
    round: number,
    proofs: PieceProof[],
    /** That asks for the leaves; undefined when the docket does. */
    opening: number | undefined,
    signal: AbortSignal
  ): Promise<void> {
    const docket = opening === undefined
    const statement = {
      provider: signer.address,
      id: bytesToHex(options.random(16)),
      validUntilRound: round,
      dealId: deal.id,
      round,
      docket,
      asked: opening === undefined ? ASKED_OF_DOCKET : askedDigestOf(deal, opening),
      proofs: digestOfProofs(proofs)
    }
    const signature = signer.sign(statementDigestOf(state)('SelfProof', statement))
    const command = { kind: 'SelfProof', statement, signature, proofs } as const
    const receipt = await submitUntilAnswered(ledger, command, clock, signal)
    onEvent({
      kind: 'provedToLedger',
      round,
      dealId: deal.id,
      docket,
      ...(!receipt.ok && { refusal: receipt.refusal.message })
    })
  }

  /** In slices, oldest leaves first, until nothing is owed or a slice is refused. */
  async function clearDocket(deal: Deal, round: number, signal: AbortSignal): Promise<void> {
    while (deal.docket.length > 0) {
      const owed = deal.docket.length
      const proofs = await prove(deal, docketChallenges(deal.docket, DOCKET_SLICE_LEAVES_MAX), signal)
      if (proofs === undefined) return
      await proveToLedger(deal, round, proofs, undefined, signal)
      if (deal.docket.length >= owed) return
    }
  }

  function isPassed(open: OpenRound, dealId: number): boolean {
    const passes = verdictsOn(state, open, dealId).filter(({ verdict }) => verdict === 'pass').length
    return passes >= state.parameters.proving.quorum
  }

  async function serveRound(round: number, signal: AbortSignal): Promise<void> {
    const { open } = state
    const pushing = open === undefined ? Promise.resolve() : pushAll(open, round, signal)
    // Side by side: a verifier that takes a push and never answers must not hold up a proof to the ledger.
    await Promise.all([
      pushing,
      clearDockets(round, pushing, signal),
      open === undefined ? undefined : proveInLastPhase(open, round, signal)
    ])
  }

  /** What is owed from before is no reason to be late with what is due now: it waits until the pushes are on their way. */
  async function clearDockets(round: number, pushing: Promise<void>, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController()
    const late = clock.sleep(attestFromMs(state.parameters, round) - clock.now(), waiting.signal).catch(() => undefined)
    await Promise.race([pushing, late])
    waiting.abort()
    for (const dealId of [...(state.dealsByProvider.get(signer.address) ?? [])]) {
      signal.throwIfAborted()
      await clearDocket(state.deals.get(dealId)!, round, signal)
    }
  }

  /** Drawn deals, which no quorum replaces, and those that the verifiers have not passed. */
  async function proveInLastPhase(open: OpenRound, round: number, signal: AbortSignal): Promise<void> {
    await clock.sleep(selfProveFromMs(state.parameters, round) - clock.now(), signal)
    const { openingOneIn } = state.parameters.proving
    const isWanted = (deal: Deal) =>
      !open.selfProved.has(deal.id) &&
      (mustBeOpened(open.seed, frozenDealOf(deal, open.opening), openingOneIn) || !isPassed(open, deal.id))
    const selfTurns = createTurns(SELF_PROOFS_AT_ONCE_MAX)
    const proving = ownDeals(open).map(deal =>
      selfTurns(async () => {
        signal.throwIfAborted()
        if (!isWanted(deal)) return
        const proofs = await turns(() => proveOpen(open, deal, signal))
        if (proofs !== undefined) await proveToLedger(deal, round, proofs, open.opening, signal)
      })
    )
    await Promise.all(proving)
  }

  const rounds = followRounds(ledger, clock, serveRound, onError)
  return {
    start: rounds.start,
    stop: rounds.stop,
    [Symbol.asyncDispose]: rounds.stop,
    async answerChallenge(verifier, round, dealIds, signal) {
      const { open } = state
      if (open === undefined || round !== state.round) return []
      const items: PushedProof[] = []
      for (const deal of ownDeals(open).filter(({ id }) => dealIds.includes(id))) {
        const isAssigned = verifiersOfDeal(assignmentOf(state, open), deal.id).includes(verifier)
        const proofs = isAssigned ? await turns(() => proveOpen(open, deal, signal)) : undefined
        if (proofs !== undefined) items.push(signPush(verifier, round, deal.id, proofs))
      }
      return items
    }
  }
}
