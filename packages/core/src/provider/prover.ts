/**
 * Keeps a provider's deals proved, round after round.
 *
 * From the opening of a round it pushes proofs to the verifiers that the beacon assigned. It proves to the ledger itself
 * what no quorum replaces (drawn openings, the docket) at once, and in the last part of the round what the verifiers
 * have not passed. Everything it needs stands in the ledger's state; it keeps none of its own.
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
import { batchDeals } from '../protocols/proof-batches.ts'
import type { Answer } from '../protocols/protocol.ts'
import { rankOf, verifiersOfDeal } from '../rounds/assignment.ts'
import { docketChallenges } from '../rounds/docket.ts'
import { followRounds } from '../rounds/follow-rounds.ts'
import { frozenDealOf } from '../rounds/freeze.ts'
import { mustBeOpened } from '../rounds/opening.ts'
import { selfProveFromMs } from '../rounds/schedule.ts'
import type { Address } from '../schema.ts'
import { type PieceReader, proveChallenges } from './prove.ts'

/** Leaves of the docket in one entry: as many as a round may ask for, which fits. */
export const DOCKET_SLICE_LEAVES_MAX = LEAVES_PER_ROUND_MAX

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

  function signPush(verifier: Address, round: number, dealId: number, proofs: PieceProof[]): PushedProof {
    const statement = { provider: signer.address, verifier, dealId, round, proofs: digestOfProofs(proofs) }
    return { dealId, proofs, signature: signer.sign(statementDigestOf(state)('ProofPush', statement)) }
  }

  async function pushAll(
    open: OpenRound,
    round: number,
    proofsByDeal: ReadonlyMap<number, PieceProof[]>,
    signal: AbortSignal
  ): Promise<void> {
    const dealsByVerifier = new Map<Address, Deal[]>()
    const assignment = assignmentOf(state, open)
    for (const dealId of proofsByDeal.keys()) {
      const deal = state.deals.get(dealId)!
      for (const verifier of verifiersOfDeal(assignment, dealId))
        dealsByVerifier.set(verifier, [...(dealsByVerifier.get(verifier) ?? []), deal])
    }
    await Promise.all(
      [...dealsByVerifier].flatMap(([verifier, deals]) =>
        batchDeals(deals).map(async batch => {
          const items = batch.map(({ id }) => signPush(verifier, round, id, proofsByDeal.get(id)!))
          await push(verifier, { round, items }, signal)
        })
      )
    )
  }

  /** One verifier's trouble, such as an address that cannot be dialled, is kept from the others. */
  async function push(
    verifier: Address,
    message: { round: number; items: PushedProof[] },
    signal: AbortSignal
  ): Promise<void> {
    try {
      const answer = await options.push(state.verifiers.get(verifier)?.addresses ?? [], message, signal)
      onEvent({ kind: 'pushed', round: message.round, verifier, answer })
    } catch (error) {
      if (!signal.aborted) onError(error)
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
    const owing = [...(state.dealsByProvider.get(signer.address) ?? [])]
      .map(dealId => state.deals.get(dealId)!)
      .filter(({ docket }) => docket.length > 0)
    const { open } = state
    await Promise.all([
      ...owing.map(deal => clearDocket(deal, round, signal)),
      open === undefined ? undefined : proveRound(open, round, signal)
    ])
  }

  async function proveRound(open: OpenRound, round: number, signal: AbortSignal): Promise<void> {
    const { openingOneIn } = state.parameters.proving
    const proofsByDeal = new Map<number, PieceProof[]>()
    for (const deal of ownDeals(open)) {
      const proofs = await prove(deal, openChallengesOf(open, deal) ?? [], signal)
      if (proofs !== undefined) proofsByDeal.set(deal.id, proofs)
    }
    const drawn = new Set(
      ownDeals(open)
        .filter(deal => mustBeOpened(open.seed, frozenDealOf(deal, open.opening), openingOneIn))
        .map(({ id }) => id)
    )
    const toLedger = (wanted: (dealId: number) => boolean) =>
      Promise.all(
        [...proofsByDeal]
          .filter(([dealId]) => wanted(dealId))
          .map(([dealId, proofs]) => proveToLedger(state.deals.get(dealId)!, round, proofs, open.opening, signal))
      )
    async function proveWhatNobodyPassed(): Promise<void> {
      await clock.sleep(selfProveFromMs(state.parameters, round) - clock.now(), signal)
      await toLedger(dealId => !drawn.has(dealId) && !isPassed(open, dealId))
    }
    // Side by side: a verifier that takes a push and never answers must not hold up a proof to the ledger.
    await Promise.all([
      pushAll(open, round, proofsByDeal, signal),
      toLedger(dealId => drawn.has(dealId)),
      proveWhatNobodyPassed()
    ])
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
        const proofs = isAssigned ? await prove(deal, openChallengesOf(open, deal) ?? [], signal) : undefined
        if (proofs !== undefined) items.push(signPush(verifier, round, deal.id, proofs))
      }
      return items
    }
  }
}
