/** The network that the ledger's rows run on: all of it follows from a time and a few counts, so that each process makes its own. */
import { createRequire } from 'node:module'
import {
  type CommandOf,
  createSigner,
  createStatementDigest,
  type NetworkParameters,
  networkIdOf,
  networkParametersSchema,
  type Signer,
  type Statement,
  type StatementKind
} from '@holdfast/core'
import { createHostBeacon } from '@holdfast/peer'
import { seededBytes } from '../harness.ts'

/** The copy that the peer itself uses. */
const requireOfPeer = createRequire(new URL('../../packages/peer/package.json', import.meta.url))
const { signRecoverable } = requireOfPeer('tiny-secp256k1') as typeof import('tiny-secp256k1')

export const CREDIT = 10n ** 18n

export interface NetworkOptions {
  /** When round 1 opens, milliseconds of Unix time. */
  readonly genesisMs: number
  readonly roundMs: number
  /** Who send transfers to one another. */
  readonly accounts: number
  readonly verifiers?: number
  /** In place of three verifiers a deal, of whom two suffice. */
  readonly proving?: Pick<NetworkParameters['proving'], 'verifiersPerDeal' | 'quorum'>
}

export interface BenchNetwork {
  readonly options: NetworkOptions
  readonly parameters: NetworkParameters
  readonly networkId: Uint8Array
  readonly host: Signer
  readonly beacon: ReturnType<typeof createHostBeacon>
  readonly accounts: readonly Signer[]
  readonly verifiers: readonly Signer[]
  /** A signed command of the statement; for kinds that carry nothing else. */
  sign<Kind extends StatementKind>(
    kind: Kind,
    signer: Signer,
    statement: Statement<Kind>
  ): { readonly kind: Kind; readonly statement: Statement<Kind>; readonly signature: Uint8Array }
}

export function createBenchNetwork(options: NetworkOptions): BenchNetwork {
  const hostKey = seededBytes(32, 1)
  const host = createSigner(hostKey)
  const beacon = createHostBeacon(hostKey)
  const accounts = Array.from({ length: options.accounts }, (_, index) => signerOf(seededBytes(32, 1_000 + index)))
  const verifiers = Array.from({ length: options.verifiers ?? 0 }, (_, index) =>
    signerOf(seededBytes(32, 9_000 + index))
  )
  const { genesisMs, roundMs } = options
  const parameters = networkParametersSchema.decode({
    version: 1,
    name: 'bench',
    host: host.address,
    genesisMs,
    roundMs,
    roundLateMsMax: Math.floor(roundMs / 2),
    beacon: {
      scheme: 'bls-unchained-g1-rfc9380',
      source: 'host',
      publicKey: Buffer.from(beacon.publicKey).toString('hex'),
      genesisMs,
      periodMs: roundMs
    },
    accounts: [...accounts, ...verifiers].map(({ address }) => ({ address, amount: `${10_000n * CREDIT}` })),
    proving: {
      verifiersPerDeal: 3,
      quorum: 2,
      openingOneIn: 100,
      cureRounds: 24,
      docketLeavesMax: 4096,
      disputeRounds: 48,
      answerRounds: 12,
      leavesPerRoundMax: 64,
      attestAtPermille: 500,
      selfProveAtPermille: 750,
      ...options.proving
    },
    money: {
      pricePerRoundMin: '1000',
      verifierFeePpm: 60_000,
      noticeRounds: 168,
      collateralRounds: 400,
      earnInPpm: 500_000,
      uncollateralisedBytesMax: 1_000_000_000,
      repairRounds: 168,
      stakeUnit: `${1_000n * CREDIT}`,
      openingBond: '5000',
      transcriptBond: '7000',
      silencePenalty: '1000',
      refuterPpm: 250_000,
      repairRewardPpm: 200_000
    },
    statementRoundsMax: 1_000
  })
  const networkId = networkIdOf(parameters)
  const digestOf = createStatementDigest(networkId)
  return {
    options,
    parameters,
    networkId,
    host,
    beacon,
    accounts,
    verifiers,
    sign: (kind, signer, statement) => ({ kind, statement, signature: signer.sign(digestOf(kind, statement)) })
  }
}

/** Signs by WebAssembly: a million signatures are some minutes so, and an hour otherwise. */
function signerOf(privateKey: Uint8Array): Signer {
  return {
    address: createSigner(privateKey).address,
    sign(digest) {
      const { signature, recoveryId } = signRecoverable(digest, privateKey)
      return Uint8Array.of(...signature, 27 + recoveryId)
    }
  }
}

/**
 * The transfer of a place in a long row of them: accounts take turns, each with its own nonces from 0 on.
 *
 * @param signature - when it is known already
 */
export function transferAt(
  { accounts, sign }: BenchNetwork,
  index: number,
  signature?: Uint8Array
): CommandOf<'Transfer'> {
  const from = accounts[index % accounts.length]!
  const to = accounts[(index + 1) % accounts.length]!
  const nonce = Math.floor(index / accounts.length)
  const statement = { from: from.address, to: to.address, amount: 1n, nonce }
  return signature === undefined ? sign('Transfer', from, statement) : { kind: 'Transfer', statement, signature }
}
