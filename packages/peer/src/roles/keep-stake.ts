/**
 * Keeps a verifier's stake at what its operator wants: raised when the config grows or credits arrive, made good after a
 * round of silence, and left alone once the operator takes stake back or the verifier has been refuted.
 *
 * A verifier without the credits runs all the same and says what is missing: it may be a provider too, and the credits may
 * come. Nothing is ever unstaked here.
 */
import { type Address, accountOf, formatCredits, type LedgerEvent, type LedgerState } from '@holdfast/core'
import { PeerError } from '../error.ts'
import { formatAmount } from '../units.ts'
import { type AnnounceComponents, announceStake, sameAddresses } from './announce.ts'

export type StakeEvent =
  /** `stake` is all that is staked now. */
  { readonly kind: 'staked'; readonly amount: bigint; readonly stake: bigint } | MissingCredits

/** What keeps a verifier from staking as wanted, in atto. */
export interface MissingCredits {
  readonly kind: 'creditsMissing'
  readonly wanted: bigint
  readonly stake: bigint
  readonly free: bigint
  readonly missing: bigint
}

export type StakePlan =
  | { readonly kind: 'stands' }
  /** An amount of 0 renews the addresses. */
  | { readonly kind: 'stake'; readonly amount: bigint }
  | MissingCredits

export interface StakeWishes {
  /** All that is to be staked, in atto. */
  readonly wanted: bigint
  readonly addresses: readonly string[]
}

/** What a verifier has to do, so that it is staked as wanted. */
export function planStake(state: LedgerState, address: Address, { wanted, addresses }: StakeWishes): StakePlan {
  const known = state.verifiers.get(address)
  const stake = known?.stake ?? 0n
  const gap = wanted - stake
  const { free } = accountOf(state, address)
  if (gap > 0n && free >= gap) return { kind: 'stake', amount: gap }
  const hasPlace = stake >= state.parameters.money.stakeUnit
  if (hasPlace && !sameAddresses(known!.addresses, addresses)) return { kind: 'stake', amount: 0n }
  return gap > 0n ? { kind: 'creditsMissing', wanted, stake, free, missing: gap - free } : { kind: 'stands' }
}

/** What has become of a verifier's stake, and what to do where credits are missing, for people. */
export function describeStake(address: Address, event: StakeEvent): string {
  if (event.kind === 'staked')
    return event.amount === 0n
      ? 'the ledger has the new addresses of this verifier'
      : `staked ${formatAmount(event.amount)} credits, ${formatAmount(event.stake)} in all; they count from the second round on`
  const { wanted, stake, free, missing } = event
  const has = `${formatAmount(stake)} are staked and ${formatAmount(free)} free`
  return `this verifier is to stake ${formatAmount(wanted)} credits: ${has}. It stakes when ${formatAmount(missing)} more arrive: send them with \`holdfast credits send ${address} ${formatCredits(missing)} …\`, or lower verifier.stake in its config`
}

export interface StakeKeeperOptions extends AnnounceComponents {
  /** All that is to be staked, in atto; 0 for nothing. Undefined for one place. */
  readonly stake: bigint | undefined
  readonly addresses: () => string[]
  readonly onEvent: (event: StakeEvent) => void
  readonly onError: (error: unknown) => void
}

export interface StakeKeeper extends AsyncDisposable {
  /**
   * Resolves when the stake is as wanted, or as far as the credits go.
   *
   * @throws {PeerError} `NOT_ANNOUNCED` when the ledger takes it for no reason that passes
   */
  start(): Promise<void>
}

/** @throws {PeerError} `STAKE_TOO_SMALL` for a stake that buys no place */
export function createStakeKeeper(options: StakeKeeperOptions): StakeKeeper {
  const { ledger, signer, onEvent, onError } = options
  const { state } = ledger
  const { stakeUnit } = state.parameters.money
  let wanted = options.stake ?? stakeUnit
  if (wanted > 0n && wanted < stakeUnit)
    throw new PeerError(
      'STAKE_TOO_SMALL',
      `A stake of ${formatAmount(wanted)} credits buys no place: the least is ${formatAmount(stakeUnit)}. Raise verifier.stake in the config, or take it out.`,
      { wanted, needed: stakeUnit }
    )
  let working: Promise<void> | undefined
  /** An entry came while the stake was worked on. */
  let isLate = false
  let said: bigint | undefined
  let end: (() => void) | undefined

  const plan = () => planStake(state, signer.address, { wanted, addresses: options.addresses() })

  async function work(): Promise<void> {
    for (let next = plan(); next.kind !== 'stands'; next = plan()) {
      if (next.kind === 'creditsMissing') {
        if (said !== next.missing) onEvent(next)
        said = next.missing
        return
      }
      await announceStake(options, { amount: next.amount, addresses: options.addresses() })
      said = undefined
      onEvent({ kind: 'staked', amount: next.amount, stake: state.verifiers.get(signer.address)?.stake ?? 0n })
    }
  }

  function follow(events: readonly LedgerEvent[]): void {
    for (const event of events) {
      const isGivenUp = event.kind === 'unstaked' || event.kind === 'refuted'
      const left = state.verifiers.get(signer.address)?.stake ?? 0n
      if (isGivenUp && event.verifier === signer.address && left < wanted) wanted = left
    }
    mend()
  }

  function mend(): void {
    if (end === undefined || plan().kind === 'stands') return
    if (working !== undefined) {
      isLate = true
      return
    }
    isLate = false
    working = work()
      .catch(onError)
      .finally(() => {
        working = undefined
        if (isLate) mend()
      })
  }

  return {
    async start() {
      await work()
      end ??= ledger.subscribe(({ events }) => follow(events))
    },
    async [Symbol.asyncDispose]() {
      end?.()
      end = undefined
      await working
    }
  }
}
