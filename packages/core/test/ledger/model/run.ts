/** One run: a network, a beginning that most runs have in common, and then whatever the steps say. */

import { orderTakeOver } from './money-plays.ts'
import { type Begun, PairedLedger } from './paired-ledger.ts'
import { Player, type Step } from './player.ts'
import { addPieces } from './proof-plays.ts'
import type { RareEvents } from './rare-events.ts'
import { playStep } from './steps.ts'
import { CHECKERS, CLIENTS, cheapKeys, parametersOf, realKeys, STORERS } from './world.ts'

export interface Run {
  /** Which parameters the network has. */
  readonly variant: number
  readonly shift: number
  readonly real: boolean
  /** More live deals than one entry settles. */
  readonly crowded: boolean
  /** Begins with asks, stakes and a deal, or with nothing at all. */
  readonly prepared: boolean
  readonly steps: readonly Step[]
}

const PLAIN = { kind: 'prepare', who: 0, what: 0, how: 0, flaw: 0 }

export async function play({ variant, shift, real, crowded, prepared, steps }: Run, seen: RareEvents): Promise<void> {
  const keys = real ? realKeys : cheapKeys
  const isCrowded = crowded && !real
  const parameters = isCrowded ? CROWDED : parametersOf(variant, shift)
  const begun = isCrowded ? await copyOfCrowd() : undefined
  const ledger = new PairedLedger(parameters, keys, (decided, paired) => seen.see(decided, paired), begun)
  const player = new Player(ledger, keys)
  if (prepared || crowded) prepare(player)
  for (const step of steps) await playStep(player, step)
  // What a replay costs is better spent on runs: any of them may be one that is replayed.
  if (shift % 4 === 0) ledger.replay()
  seen.countRun(ledger.entries.length)
}

/** Deals that hold nothing and cost nothing, so that those which matter come after what one entry settles. */
const CROWD = 257
const CROWDED = parametersOf(0, 0)
let crowd: PairedLedger | undefined

/** A network with a crowd: made once, and copied. */
async function copyOfCrowd(): Promise<Begun> {
  crowd ??= makeCrowd()
  return { model: crowd.model, state: await crowd.copyOfState(), entries: crowd.entries }
}

function makeCrowd(): PairedLedger {
  const ledger = new PairedLedger(CROWDED, cheapKeys, () => undefined)
  const player = new Player(ledger, cheapKeys)
  const provider = STORERS[2]!.address
  player.submit(player.sign('Ask', PLAIN, provider, { provider, operator: provider, ...OFFER }))
  const client = CLIENTS[1]!.address
  const terms = { client, provider, pricePerLeafRound: 10n, leavesPerRound: 4, escrow: 0n }
  for (let opened = 0; opened < CROWD; opened += 1)
    player.submit(player.sign('DealOrder', PLAIN, client, terms, { acceptor: provider }))
  return ledger
}

const OFFER = { addresses: [], region: 'eu', pricePerLeafRound: 1n, capacityBytes: 1 }

function prepare(player: Player): void {
  const { stakeUnit } = player.ledger.parameters.money
  for (const { address: provider } of STORERS)
    player.submit(player.sign('Ask', PLAIN, provider, { provider, operator: provider, ...OFFER }))
  for (const { address: verifier } of CHECKERS.slice(0, 4))
    player.submit(
      player.sign('VerifierStake', PLAIN, verifier, {
        verifier,
        operator: verifier,
        amount: 2n * stakeUnit,
        addresses: []
      })
    )
  for (let opened = 0; opened < 2; opened += 1) {
    const [client, provider] = [CLIENTS[0]!.address, STORERS[opened % 2]!.address]
    const terms = { client, provider, pricePerLeafRound: 10n, leavesPerRound: 4, escrow: 0n }
    player.submit(player.sign('DealOrder', PLAIN, client, terms, { acceptor: provider }))
  }
  addPieces(player, { ...PLAIN, how: 4 })
  addPieces(player, { ...PLAIN, who: 1, what: 2, how: 4 })
  orderTakeOver(player, { ...PLAIN, what: 2, how: 5 })
}
