/**
 * A whole network in memory, everything in it real: keys, signatures, a beacon of one, a ledger, pieces and their proofs.
 *
 * Seeded, so that a test that failed fails again. Time is a number that tests set.
 */
import { portableNodeHasher } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { createBeaconOfOne, deriveBeaconKey } from '../../src/beacon/beacon.ts'
import { createSigner, portableSignatureVerifier, type Signer } from '../../src/identity.ts'
import { ASKED_OF_DOCKET, askedDigestOf } from '../../src/ledger/asked-pieces.ts'
import { askOf } from '../../src/ledger/asks.ts'
import { type Command, type CommandKind, type CommandOf, digestOfProofs } from '../../src/ledger/commands.ts'
import { type LedgerEvent, resultsIn } from '../../src/ledger/event.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import type { AppliedEntry, Receipt } from '../../src/ledger/ledger.ts'
import { createMemoryLedger, type MemoryLedger } from '../../src/ledger/memory-ledger.ts'
import { assignmentOf, openChallengesOf } from '../../src/ledger/proof-rules.ts'
import type { RefusalCode } from '../../src/ledger/refusal.ts'
import type { LedgerTools } from '../../src/ledger/rules.ts'
import type { Deal, LedgerState } from '../../src/ledger/state.ts'
import { createStatementDigest, type Statement, type StatementKind } from '../../src/ledger/statements.ts'
import { type NetworkParameters, networkIdOf, networkParametersSchema } from '../../src/network.ts'
import { proveChallenges } from '../../src/provider/prove.ts'
import { dealsAssignedTo } from '../../src/rounds/assignment.ts'
import type { PieceChallenge } from '../../src/rounds/challenge.ts'
import { docketChallenges } from '../../src/rounds/docket.ts'
import { beaconRoundOf, roundOpensMs } from '../../src/rounds/schedule.ts'
import { encodeVerdicts, type Verdict } from '../../src/rounds/verdicts.ts'
import { settled, VirtualClock } from '../virtual-clock.ts'
import { auditCredits } from './credit-audit.ts'
import { MemoryPieces, pieceOf, rootOf, type TestPiece } from './memory-pieces.ts'

export const CREDIT = 10n ** 18n
export const TOOLS: LedgerTools = { signatures: portableSignatureVerifier, nodeHasher: portableNodeHasher }

const seedOfName = (name: string) => sha256(utf8ToBytes(`holdfast test: ${name}`))

/** The signer of a name: the same one in every test. */
export function actorOf(name: string): Signer {
  return createSigner(seedOfName(name))
}

export const HOST = actorOf('host')
export const CLIENT = actorOf('client')
export const PROVIDERS = ['one', 'two', 'three', 'four'].map(name => actorOf(`provider ${name}`))
export const VERIFIERS = ['one', 'two', 'three', 'four'].map(name => actorOf(`verifier ${name}`))
export const [PROVIDER, OTHER_PROVIDER] = PROVIDERS as [Signer, Signer]
export const STRANGER = actorOf('stranger')

export const BEACON = createBeaconOfOne(
  deriveBeaconKey(concatBytes(seedOfName('beacon'), seedOfName('beacon')).subarray(0, 48))
)
const GENESIS_MS = 1_800_000_000_000
const ROUND_MS = 10_000

export const PARAMETERS: NetworkParameters = networkParametersSchema.decode({
  version: 1,
  name: 'test',
  host: HOST.address,
  genesisMs: GENESIS_MS,
  roundMs: ROUND_MS,
  roundLateMsMax: 4_000,
  beacon: {
    scheme: 'bls-unchained-g1-rfc9380',
    source: 'host',
    publicKey: bytesToHex(BEACON.publicKey),
    genesisMs: GENESIS_MS,
    periodMs: ROUND_MS
  },
  accounts: [CLIENT, ...PROVIDERS, ...VERIFIERS].map(({ address }) => ({ address, amount: `${1000n * CREDIT}` })),
  proving: {
    verifiersPerDeal: 3,
    quorum: 2,
    openingOneIn: 1_000_000,
    cureRounds: 3,
    docketLeavesMax: 4096,
    disputeRounds: 6,
    answerRounds: 2,
    leavesPerRoundMax: 64,
    attestAtPermille: 500,
    selfProveAtPermille: 750
  },
  money: {
    pricePerRoundMin: '1000',
    verifierFeePpm: 60_000,
    noticeRounds: 4,
    collateralRounds: 2_000_000,
    earnInPpm: 500_000,
    uncollateralisedBytesMax: 1_000_000,
    repairRounds: 2,
    stakeUnit: `${10n * CREDIT}`,
    openingBond: '5000',
    transcriptBond: '7000',
    silencePenalty: `${CREDIT}`,
    refuterPpm: 250_000,
    repairRewardPpm: 200_000
  },
  statementRoundsMax: 20
})

export interface ParameterChanges extends Partial<Omit<NetworkParameters, 'proving' | 'money' | 'beacon'>> {
  readonly proving?: Partial<NetworkParameters['proving']>
  readonly money?: Partial<NetworkParameters['money']>
  readonly beacon?: Partial<NetworkParameters['beacon']>
}

export function parametersWith({ proving, money, beacon, ...rest }: ParameterChanges = {}): NetworkParameters {
  return {
    ...PARAMETERS,
    ...rest,
    beacon: { ...PARAMETERS.beacon, ...beacon },
    proving: { ...PARAMETERS.proving, ...proving },
    money: { ...PARAMETERS.money, ...money }
  }
}

const beaconSignatures = new Map<number, Promise<Uint8Array>>()

/** The beacon's signature for a round of a network that keeps the fixture's genesis and round length. */
export function signatureOfRound(parameters: NetworkParameters, round: number): Promise<Uint8Array> {
  const beaconRound = beaconRoundOf(parameters, round)
  const signature = beaconSignatures.get(beaconRound) ?? BEACON.signatureOf(beaconRound)
  beaconSignatures.set(beaconRound, signature)
  return signature
}

type Unsigned<Kind extends StatementKind> = Omit<Statement<Kind>, 'id' | 'validUntilRound'> &
  Partial<Pick<Statement<Kind>, Extract<keyof Statement<Kind>, 'id' | 'validUntilRound'>>>

/** What a command carries beside its statement and its signature. */
type Rest<Kind extends CommandKind> = Omit<CommandOf<Kind>, 'kind' | 'statement' | 'signature'>

export class TestNetwork {
  readonly parameters: NetworkParameters
  readonly ledger: MemoryLedger
  readonly applied: AppliedEntry[] = []
  /** The ledger's, and that of everybody who is given it. */
  readonly clock: VirtualClock
  #ids = 0

  constructor(changes: ParameterChanges = {}, tools: LedgerTools = TOOLS) {
    this.parameters = parametersWith(changes)
    this.clock = new VirtualClock(this.parameters.genesisMs - 1000)
    this.ledger = createMemoryLedger(this.parameters, tools, () => this.clock.now())
    this.ledger.subscribe(entry => this.applied.push(entry))
    auditCredits(this.ledger)
  }

  get state(): LedgerState {
    return this.ledger.state
  }

  digestOf<Kind extends StatementKind>(kind: Kind, statement: Statement<Kind>): Uint8Array {
    return createStatementDigest(networkIdOf(this.parameters))(kind, statement)
  }

  /** A fresh id, valid for this round and some. */
  validity(): { id: string; validUntilRound: number } {
    this.#ids += 1
    return { id: this.#ids.toString(16).padStart(32, '0'), validUntilRound: this.state.round + 5 }
  }

  /** Signs a statement and makes the command of it; id and validity are filled in where they are left out. */
  command<Kind extends CommandKind>(
    kind: Kind,
    signer: Signer,
    statement: Unsigned<Kind>,
    ...rest: [keyof Rest<Kind>] extends [never] ? [] : [rest: Rest<Kind>]
  ): Command {
    const full = { ...(kind === 'Transfer' ? {} : this.validity()), ...statement } as Statement<Kind>
    return {
      kind,
      statement: full,
      signature: signer.sign(this.digestOf(kind, full)),
      ...rest[0]
    } as unknown as Command
  }

  accept(provider: Signer, kind: 'DealOrder' | 'PiecesOrder', statement: Statement<'DealOrder' | 'PiecesOrder'>) {
    const order = this.digestOf(kind, statement as Statement<typeof kind>)
    return provider.sign(this.digestOf('Acceptance', { provider: provider.address, order }))
  }

  transfer(from: Signer, to: Signer, amount: bigint, nonce = this.state.accounts.get(from.address)?.nonce ?? 0) {
    return this.command('Transfer', from, { from: from.address, to: to.address, amount, nonce })
  }

  ask(provider: Signer, changes: Partial<Statement<'Ask'>> = {}): Command {
    return this.command('Ask', provider, {
      provider: provider.address,
      operator: provider.address,
      addresses: [`/memory/${provider.address}`],
      region: 'eu',
      pricePerLeafRound: 100n,
      capacityBytes: 1_000_000,
      ...changes
    })
  }

  stake(verifier: Signer, places = 1, changes: Partial<Statement<'VerifierStake'>> = {}): Command {
    return this.command('VerifierStake', verifier, {
      verifier: verifier.address,
      operator: verifier.address,
      amount: this.parameters.money.stakeUnit * BigInt(places),
      addresses: [`/memory/${verifier.address}`],
      ...changes
    })
  }

  dealOrder(provider: Signer, changes: Partial<Statement<'DealOrder'>> = {}, client = CLIENT): Command {
    const statement: Statement<'DealOrder'> = {
      client: client.address,
      provider: provider.address,
      ...this.validity(),
      pricePerLeafRound: 100n,
      leavesPerRound: 4,
      escrow: 0n,
      ...changes
    }
    return this.command('DealOrder', client, statement, { acceptance: this.accept(provider, 'DealOrder', statement) })
  }

  piecesOrder(
    dealId: number,
    pieces: readonly Pick<TestPiece, 'cid'>[],
    changes: Partial<Statement<'PiecesOrder'>> = {},
    [client, provider]: readonly [Signer, Signer] = [CLIENT, PROVIDER]
  ): Command {
    const statement: Statement<'PiecesOrder'> = {
      client: client.address,
      ...this.validity(),
      dealId,
      pieces: pieces.map(({ cid }) => cid),
      labels: pieces.map(() => LABEL),
      deposit: 10n * CREDIT,
      ...changes
    }
    return this.command('PiecesOrder', client, statement, {
      acceptance: this.accept(provider, 'PiecesOrder', statement)
    })
  }

  removePieces(client: Signer, dealId: number, pieceIds: number[]): Command {
    return this.command('RemovePieces', client, { client: client.address, dealId, pieceIds })
  }

  demandOpening(client: Signer, dealId: number, bond = this.parameters.money.openingBond): Command {
    return this.command('DemandOpening', client, { client: client.address, dealId, bond })
  }

  topUp(client: Signer, dealId: number, amount: bigint): Command {
    return this.command('TopUp', client, { client: client.address, dealId, amount })
  }

  endDeal(party: Signer, dealId: number): Command {
    return this.command('EndDeal', party, { party: party.address, dealId })
  }

  /** What a verifier says about the deals that it is assigned in the open round. */
  attestation(verifier: Signer, verdictOf: (dealId: number) => Verdict, round = this.state.round): Command {
    const dealIds = dealsAssignedTo(assignmentOf(this.state, this.state.open!), verifier.address)
    return this.command('Attestation', verifier, {
      verifier: verifier.address,
      round,
      verdicts: encodeVerdicts(dealIds.map(verdictOf)),
      transcripts: sha256(new Uint8Array())
    })
  }

  /** Proves the open round, or leaves of the docket, from pieces in memory. */
  async selfProof(
    deal: Deal,
    provider: Signer,
    pieces: MemoryPieces,
    changes: { docket?: boolean; challenges?: readonly PieceChallenge[]; round?: number } = {}
  ): Promise<CommandOf<'SelfProof'>> {
    const { docket = false, round = this.state.round } = changes
    const challenges =
      changes.challenges ?? (docket ? docketChallenges(deal.docket, 256) : openChallengesOf(this.state.open!, deal)!)
    const { signal } = new AbortController()
    const proofs = (await proveChallenges(challenges, deal.pieces, pieces, portableNodeHasher, signal))!
    const statement = {
      provider: provider.address,
      dealId: deal.id,
      round,
      docket,
      asked: docket ? ASKED_OF_DOCKET : askedDigestOf(deal, this.state.open!.opening),
      proofs: digestOfProofs(proofs)
    }
    return this.command('SelfProof', provider, statement, { proofs }) as CommandOf<'SelfProof'>
  }

  submit(command: Command): Promise<Receipt> {
    return this.ledger.submit(command)
  }

  /** Submits what must be taken. @returns what it did */
  async take(...commands: readonly Command[]): Promise<readonly LedgerEvent[]> {
    const events: LedgerEvent[] = []
    for (const command of commands) {
      const receipt = await this.submit(command)
      if (!receipt.ok)
        throw new Error(`${command.kind} was refused: ${receipt.refusal.code} ${receipt.refusal.message}`)
      events.push(...this.applied[receipt.sequence - 1]!.events)
    }
    return events
  }

  /**
   * Lets the open round run to its end and opens the next at its time, or so much later; whoever follows has begun it.
   *
   * @returns what closing the one before did
   */
  async openRound(lateMs = 0): Promise<readonly LedgerEvent[]> {
    const round = this.state.round + 1
    await this.clock.advanceTo(roundOpensMs(this.parameters, round) + lateMs)
    const beaconSignature = await signatureOfRound(this.parameters, round)
    const receipt = this.ledger.append({ kind: 'openRound', round, beaconSignature }, this.clock.now())
    if (!receipt.ok) throw new Error(`round ${round} was refused: ${receipt.refusal.message}`)
    const { events } = this.applied[receipt.sequence - 1]!
    await settled()
    return events
  }

  async openRounds(count: number): Promise<void> {
    for (let opened = 0; opened < count; opened += 1) await this.openRound()
  }

  /** Passes over the rounds up to and including the given one, as late as it takes. */
  voidRounds(to: number): readonly LedgerEvent[] {
    this.clock.jumpTo(roundOpensMs(this.parameters, to) + this.parameters.roundLateMsMax + 1)
    const receipt = this.ledger.append({ kind: 'voidRounds', from: this.state.round + 1, to }, this.clock.now())
    if (!receipt.ok) throw new Error(`void rounds were refused: ${receipt.refusal.message}`)
    return this.applied.at(-1)!.events
  }

  /** All verifiers that are assigned anything attest the same. */
  async attestAll(verdictOf: (dealId: number) => Verdict): Promise<void> {
    const assignment = assignmentOf(this.state, this.state.open!)
    for (const verifier of VERIFIERS) {
      if (dealsAssignedTo(assignment, verifier.address).length > 0)
        await this.take(this.attestation(verifier, verdictOf))
    }
  }

  /** A deal with pieces and its provider's store; challenged from the second round to come on. */
  async openDealWithPieces(
    options: {
      provider?: Signer
      client?: Signer
      pieces?: readonly TestPiece[]
      deposit?: bigint
      leavesPerRound?: number
    } = {}
  ): Promise<{ deal: Deal; pieces: MemoryPieces }> {
    const { provider = PROVIDER, client = CLIENT, deposit = 10n * CREDIT, leavesPerRound = 4 } = options
    const pieces = options.pieces ?? [pieceOf(`piece of ${provider.address}`)]
    if (askOf(this.state, provider.address) === undefined) {
      await this.take(this.ask(provider))
      if (this.state.openings > 0) await this.openRound()
    }
    const dealId = this.state.nextDealId
    await this.take(
      this.dealOrder(provider, { leavesPerRound }, client),
      this.piecesOrder(dealId, pieces, { deposit }, [client, provider])
    )
    return { deal: this.state.deals.get(dealId)!, pieces: new MemoryPieces(...pieces) }
  }

  /** All verifiers of the fixture stake one place. */
  async stakeAll(): Promise<void> {
    for (const verifier of VERIFIERS) await this.take(this.stake(verifier))
  }

  /** Code of the refusal, having checked that nothing at all changed. */
  async refusalOf(submitted: Command | (() => Receipt)): Promise<RefusalCode | 'taken'> {
    const before = hashState(this.state)
    const receipt = typeof submitted === 'function' ? submitted() : await this.submit(submitted)
    if (receipt.ok) return 'taken'
    if (hashState(this.state) !== before) throw new Error(`${receipt.refusal.code} has changed the state`)
    return receipt.refusal.code
  }

  freeOf({ address }: Pick<Signer, 'address'>): bigint {
    return this.state.accounts.get(address)?.free ?? 0n
  }
}

/** What pieces are called where it does not matter. */
export const LABEL = rootOf('object').bytes

/** What a round did to one deal. */
export function resultOf(events: readonly LedgerEvent[], dealId: number) {
  for (const event of events) {
    const result = resultsIn(event).find(one => one.dealId === dealId)
    if (result !== undefined) return result
  }
  throw new Error(`no result of deal ${dealId}`)
}
