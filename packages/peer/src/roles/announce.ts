/** What a peer says about itself on the ledger: its ask or its stake, made again only when it no longer says the truth. */
import {
  type Ledger,
  type LedgerState,
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

export interface AnnounceComponents {
  readonly ledger: Ledger
  readonly signer: Signer
  readonly random: (sizeBytes: number) => Uint8Array
  readonly signal: AbortSignal | undefined
}

/** @returns whether a new ask had to be made */
export async function announceAsk(
  { ledger, signer, random, signal }: AnnounceComponents,
  offer: Pick<Statement<'Ask'>, 'addresses' | 'region' | 'pricePerLeafRound' | 'capacityBytes'>
): Promise<boolean> {
  const { state } = ledger
  const known = newestAskOf(state, signer.address)
  const stands =
    known !== undefined &&
    known.region === offer.region &&
    known.pricePerLeafRound === offer.pricePerLeafRound &&
    known.capacityBytes === offer.capacityBytes &&
    sameAddresses(known.addresses, offer.addresses)
  if (stands) return false
  const statement = {
    provider: signer.address,
    operator: signer.address,
    ...freshId(state, random),
    ...offer
  }
  const signature = signer.sign(statementDigestOf(state)('Ask', statement))
  expectTaken(
    'ask',
    await ledger.submit({ kind: 'Ask', statement, signature }, { ...(signal !== undefined && { signal }) })
  )
  return true
}

/** Stakes so much more, and says where this verifier is reached; an amount of 0 says only that. */
export async function announceStake(
  { ledger, signer, random, signal }: AnnounceComponents,
  { amount, addresses }: Pick<Statement<'VerifierStake'>, 'amount' | 'addresses'>
): Promise<void> {
  const { state } = ledger
  const statement = {
    verifier: signer.address,
    operator: signer.address,
    ...freshId(state, random),
    amount,
    addresses
  }
  const signature = signer.sign(statementDigestOf(state)('VerifierStake', statement))
  expectTaken(
    'stake',
    await ledger.submit({ kind: 'VerifierStake', statement, signature }, { ...(signal !== undefined && { signal }) })
  )
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
