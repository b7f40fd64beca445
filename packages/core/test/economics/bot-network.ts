/**
 * A network in which honest verifiers, provers and watchers, all as shipped, live beside bots: the ledger with all its rules,
 * real pieces and proofs, cheap signatures, time that moves when it is told.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { resultsIn } from '../../src/ledger/event.ts'
import { noAnswer } from '../../src/protocols/envelope.ts'
import { createProver } from '../../src/provider/prover.ts'
import type { Address } from '../../src/schema.ts'
import { showTranscript } from '../../src/verifier/show-transcript.ts'
import { createMemoryTranscriptStore, type TranscriptStore } from '../../src/verifier/transcript-store.ts'
import { createVerifier, type Verifier } from '../../src/verifier/verifier.ts'
import { contradictionsTo, drawVerdicts } from '../../src/watch/choose-verdicts.ts'
import { createWatcher } from '../../src/watch/watcher.ts'
import { MemoryPieces, pieceOf, type TestPiece } from '../ledger/memory-pieces.ts'
import { CREDIT, HOST, TestNetwork } from '../ledger/network-fixture.ts'
import { settled } from '../virtual-clock.ts'
import { BOT_KINDS, type Bot, type BotKind, createBot } from './bots.ts'
import { chanceOf } from './chance.ts'
import { type Party, partyOf } from './parties.ts'
import { SIM_TOOLS } from './sim-network.ts'

export type VerifierKind = 'honest' | BotKind

export interface BotPlan {
  readonly name: string
  /** Of each kind, verifiers with so many places each. */
  readonly population: Readonly<Record<VerifierKind, number>>
  readonly places: number
  readonly deals: number
  /** Of all verdicts, what each honest verifier looks at in a round; see `drawVerdicts`. */
  readonly watchShare: number
}

const CLIENT = partyOf('bots: client')
const HONEST_PROVIDERS = ['one', 'two'].map(name => partyOf(`bots: provider ${name}`))
const LIAR = partyOf('bots: provider that lost everything')

export class BotNetwork implements AsyncDisposable {
  readonly network: TestNetwork
  readonly members: readonly { readonly party: Party; readonly kind: VerifierKind }[]
  /** Faults of providers that have everything. */
  readonly falseFaults: string[] = []
  /** Proved rounds and faults of the provider that has nothing. */
  readonly liar = { proved: 0, faulted: 0 }
  /** What verifiers were paid, by address. */
  readonly fees = new Map<Address, bigint>()
  readonly refuted = new Map<Address, number>()
  readonly errors: unknown[] = []
  readonly #plan: BotPlan
  readonly #life = new AsyncDisposableStack()
  readonly #bots = new Map<string, Bot>()
  readonly #verifiers = new Map<string, { readonly verifier: Verifier; readonly transcripts: TranscriptStore }>()
  readonly #provers = new Map<string, ReturnType<typeof createProver>>()

  constructor(plan: BotPlan) {
    this.#plan = plan
    this.members = (['honest', ...BOT_KINDS] as const).flatMap(kind =>
      Array.from({ length: plan.population[kind] }, (_, index) => ({
        party: partyOf(`bots: ${kind} verifier ${index}`),
        kind
      }))
    )
    const accounts = [CLIENT, LIAR, ...HONEST_PROVIDERS, ...this.members.map(({ party }) => party)]
    this.network = new TestNetwork(
      {
        name: plan.name,
        accounts: [...accounts, HOST].map(({ address }) => ({ address, amount: 10_000n * CREDIT })),
        proving: { openingOneIn: 8 },
        money: { collateralRounds: 40, verifierFeePpm: 100_000, pricePerRoundMin: CREDIT / 100n }
      },
      SIM_TOOLS
    )
    this.network.ledger.subscribe(({ events }) => {
      for (const event of events) {
        for (const result of resultsIn(event)) {
          for (const verifier of result.paidVerifiers)
            this.#pay(verifier, result.fees / BigInt(result.paidVerifiers.length))
          const { kind } = result.outcome
          if (result.provider === LIAR.address && kind !== 'void')
            this.liar[kind === 'proved' ? 'proved' : 'faulted'] += 1
          if (result.provider !== LIAR.address && kind === 'fault')
            this.falseFaults.push(`deal ${result.dealId} in round ${this.network.state.round - 1}`)
        }
        if (event.kind === 'refuted') this.refuted.set(event.verifier, (this.refuted.get(event.verifier) ?? 0) + 1)
      }
    })
  }

  #pay(verifier: Address, fee: bigint): void {
    this.fees.set(verifier, (this.fees.get(verifier) ?? 0n) + fee)
  }

  async begin(): Promise<void> {
    const { network } = this
    for (const { party } of this.members) await network.take(network.stake(party, this.#plan.places))
    const stored = new Map<Party, TestPiece[]>()
    for (let deal = 0; deal < this.#plan.deals; deal += 1) {
      const provider = deal % 3 === 0 ? LIAR : HONEST_PROVIDERS[deal % 2]!
      const piece = pieceOf(`bots ${deal}`, 500)
      stored.set(provider, [...(stored.get(provider) ?? []), piece])
      await network.openDealWithPieces({ provider, client: CLIENT, pieces: [piece], deposit: 50n * CREDIT })
    }
    for (const provider of HONEST_PROVIDERS)
      this.#startProver(provider, new MemoryPieces(...(stored.get(provider) ?? [])))
    // It proves what it has: nothing.
    this.#startProver(LIAR, new MemoryPieces())
    for (const { party, kind } of this.members) {
      if (kind === 'honest') this.#startHonest(party)
      else this.#bots.set(placeOf(party), createBot(network, party, kind, new Set([LIAR.address])))
    }
  }

  /** One round: who is honest works by itself, bots attest after them. */
  async playRound(): Promise<void> {
    await this.network.openRound()
    await settled()
    for (const bot of this.#bots.values()) await bot.attest()
    await settled()
  }

  stakeOf(kind: VerifierKind): bigint {
    return this.#sum(kind, party => this.network.state.verifiers.get(party.address)?.stake ?? 0n)
  }

  feesOf(kind: VerifierKind): bigint {
    return this.#sum(kind, ({ address }) => this.fees.get(address) ?? 0n)
  }

  refutationsOf(kind: VerifierKind): number {
    return this.members
      .filter(member => member.kind === kind)
      .reduce((sum, { party }) => sum + (this.refuted.get(party.address) ?? 0), 0)
  }

  #sum(kind: VerifierKind, amountOf: (party: Party) => bigint): bigint {
    return this.members.filter(member => member.kind === kind).reduce((sum, { party }) => sum + amountOf(party), 0n)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life.disposeAsync()
  }

  #shared(signer: Party) {
    let drawn = 0
    return {
      ledger: this.network.ledger,
      signer,
      ...SIM_TOOLS,
      clock: this.network.clock,
      random: (size: number) => sha256(utf8ToBytes(`${this.#plan.name}/${signer.name}/${drawn++}`)).subarray(0, size),
      onError: (error: unknown) => this.errors.push(error)
    }
  }

  #startProver(provider: Party, pieces: MemoryPieces): void {
    const prover = this.#life.use(
      createProver({
        ...this.#shared(provider),
        pieces,
        push: async ([address = ''], { round, items }) => {
          // The way to a verifier fails now and then: nobody's fault.
          if (chanceOf(`${this.#plan.name}/way/${provider.name}/${address}/${round}`).oneIn(8))
            return noAnswer('UNREACHABLE', 'trouble on the way')
          const bot = this.#bots.get(address)
          if (bot !== undefined) {
            bot.hear(round, items)
            return { kind: 'answer', value: { results: [] } }
          }
          const results = await this.#verifiers.get(address)!.verifier.receive(round, items)
          return { kind: 'answer', value: { results } }
        }
      })
    )
    this.#provers.set(placeOf(provider), prover)
    prover.start()
  }

  #startHonest(party: Party): void {
    const { network } = this
    const transcripts = createMemoryTranscriptStore()
    const verifier = this.#life.use(
      createVerifier({
        ...this.#shared(party),
        transcripts,
        ask: async ([address = ''], { round, dealIds }, signal) => {
          if (chanceOf(`${this.#plan.name}/way/${party.name}/${address}/${round}`).oneIn(8))
            return noAnswer('UNREACHABLE', 'trouble on the way')
          const items = await this.#provers.get(address)!.answerChallenge(party.address, round, dealIds, signal)
          return { kind: 'answer', value: { items } }
        }
      })
    )
    this.#verifiers.set(placeOf(party), { verifier, transcripts })
    verifier.start()
    const { watchShare: rate } = this.#plan
    const watcher = this.#life.use(
      createWatcher({
        ...this.#shared(party),
        demands: 'when it pays',
        choose: (state, round, draw) => [
          ...contradictionsTo(state, round, party.address),
          ...drawVerdicts(state, round, { self: party.address, rate, countMax: 16, draw })
        ],
        ask: async ([address = ''], { round, dealId }) => {
          const bot = this.#bots.get(address)
          if (bot !== undefined) return bot.show(round, dealId)
          const known = this.#verifiers.get(address)
          if (known === undefined) return noAnswer('UNREACHABLE', 'nobody is there')
          const reply = await showTranscript(network.state, known.transcripts, round, dealId)
          return reply.ok ? { kind: 'answer', value: reply.value } : noAnswer('UNREACHABLE', reply.message)
        }
      })
    )
    watcher.start()
  }
}

const placeOf = ({ address }: Party) => `/memory/${address}`
