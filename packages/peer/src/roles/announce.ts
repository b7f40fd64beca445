/** What a peer says about itself on the ledger: its ask or its stake, made again only when it no longer says the truth. */
import {
  type Clock,
  type Command,
  CoreError,
  type Ledger,
  type LedgerState,
  machineClock,
  newestAskOf,
  type Receipt,
  type Signer,
  type Statement,
  statementDigestOf
} from '@holdfast/core'
import { bytesToHex } from '@noble/hashes/utils.js'
import { PeerError } from '../error.ts'

/** Rounds that a statement about ourselves may wait for its entry. */
const ANNOUNCE_ROUNDS = 10

/** Pauses between tries while nobody answers: a host that restarts is back within seconds, one that is down is not. */
const RETRY_MS_FIRST = 500
const RETRY_MS_MAX = 30_000

export type AnnounceEvent =
  /** Nobody answered; it is tried again after a pause. */
  | { readonly kind: 'unanswered'; readonly what: string; readonly reason: string; readonly retryMs: number }
  /** After it had gone unanswered. */
  | { readonly kind: 'announced'; readonly what: string }

export interface AnnounceComponents {
  readonly ledger: Ledger
  readonly signer: Signer
  readonly random: (sizeBytes: number) => Uint8Array
  readonly signal: AbortSignal | undefined
  /** The machine's when left out. */
  readonly clock?: Pick<Clock, 'sleep'>
  readonly onAnnounce?: (event: AnnounceEvent) => void
}

/** @returns whether a new ask had to be made */
export async function announceAsk(
  components: AnnounceComponents,
  offer: Pick<Statement<'Ask'>, 'addresses' | 'region' | 'pricePerLeafRound' | 'capacityBytes'>
): Promise<boolean> {
  const { ledger, signer, random } = components
  const { state } = ledger
  const known = newestAskOf(state, signer.address)
  const stands =
    known !== undefined &&
    known.region === offer.region &&
    known.pricePerLeafRound === offer.pricePerLeafRound &&
    known.capacityBytes === offer.capacityBytes &&
    sameAddresses(known.addresses, offer.addresses)
  if (stands) return false
  const receipt = await submitUntilTaken(components, 'ask', () => {
    const statement = {
      provider: signer.address,
      operator: signer.address,
      ...freshId(state, random),
      ...offer
    }
    return { kind: 'Ask', statement, signature: signer.sign(statementDigestOf(state)('Ask', statement)) }
  })
  expectTaken('ask', receipt)
  return true
}

/** Stakes so much more, and says where this verifier is reached; an amount of 0 says only that. */
export async function announceStake(
  components: AnnounceComponents,
  { amount, addresses }: Pick<Statement<'VerifierStake'>, 'amount' | 'addresses'>
): Promise<void> {
  const { ledger, signer, random } = components
  const { state } = ledger
  const staked = () => state.verifiers.get(signer.address)?.stake ?? 0n
  const wanted = staked() + amount
  const receipt = await submitUntilTaken(components, 'stake', () => {
    const stake = staked()
    const statement = {
      verifier: signer.address,
      operator: signer.address,
      ...freshId(state, random),
      // A statement that nobody answered may have counted, and must not count again under another id.
      amount: wanted > stake ? wanted - stake : 0n,
      addresses
    }
    return {
      kind: 'VerifierStake',
      statement,
      signature: signer.sign(statementDigestOf(state)('VerifierStake', statement))
    }
  })
  expectTaken('stake', receipt)
}

/** Takes stake back; its places go at the second opening from now, its credits come when nothing can be disputed any more. */
export async function announceUnstake(
  { ledger, signer, random, signal }: AnnounceComponents,
  amount: bigint
): Promise<void> {
  const { state } = ledger
  const statement = { verifier: signer.address, ...freshId(state, random), amount }
  const signature = signer.sign(statementDigestOf(state)('Unstake', statement))
  const receipt = await ledger.submit(
    { kind: 'Unstake', statement, signature },
    { ...(signal !== undefined && { signal }) }
  )
  if (!receipt.ok)
    throw new PeerError('NOT_UNSTAKED', `The ledger keeps the stake: ${receipt.refusal.message}.`, {
      code: receipt.refusal.code
    })
}

/**
 * Submits until somebody answers: a host that restarts must not keep a peer from starting. The same statement is tried
 * again, which counts once; a new one is made when it has expired meanwhile.
 *
 * @throws the signal's reason, and what is no silence
 */
async function submitUntilTaken(
  { ledger, signal, clock = machineClock, onAnnounce }: AnnounceComponents,
  what: string,
  make: () => Command
): Promise<Receipt> {
  let command = make()
  for (let retryMs = RETRY_MS_FIRST, isFirst = true; ; isFirst = false) {
    try {
      const receipt = await ledger.submit(command, { ...(signal !== undefined && { signal }) })
      if (!isFirst && !receipt.ok && receipt.refusal.code === 'EXPIRED') {
        command = make()
        continue
      }
      if (!isFirst && receipt.ok) onAnnounce?.({ kind: 'announced', what })
      return receipt
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof CoreError && error.code === 'LEDGER_UNREACHABLE')) throw error
      onAnnounce?.({ kind: 'unanswered', what, reason: error.message, retryMs })
    }
    await clock.sleep(retryMs, signal)
    retryMs = Math.min(2 * retryMs, RETRY_MS_MAX)
  }
}

/** What has become of an announcement, for people. */
export function describeAnnounce(event: AnnounceEvent): string {
  const { what } = event
  return event.kind === 'announced'
    ? `the ledger has this peer's ${what} now`
    : `nobody answers for the ledger, so this peer's ${what} is not announced yet: ${event.reason}. It tries again in ${event.retryMs / 1000} s`
}

function freshId({ round, parameters }: LedgerState, random: AnnounceComponents['random']) {
  return {
    id: bytesToHex(random(16)),
    validUntilRound: round + Math.min(ANNOUNCE_ROUNDS, parameters.statementRoundsMax)
  }
}

export function sameAddresses(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((address, index) => address === b[index])
}

function expectTaken(what: string, receipt: Receipt): void {
  if (receipt.ok) return
  throw new PeerError('NOT_ANNOUNCED', `The ledger did not take this peer's ${what}: ${receipt.refusal.message}.`, {
    code: receipt.refusal.code
  })
}
