/** The role of a provider: takes orders and pieces, keeps them proved, serves public blocks. */
import { createProver, type Ledger, pushProofs } from '@holdfast/core'
import { PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { createPieceKeeper } from '../provider/keep-pieces.ts'
import { createStorePieceReader } from '../provider/piece-reader.ts'
import { serveProvider } from '../provider/serve-provider.ts'
import { createPieceBlockstore, type PeerStore } from '../storage/index.ts'
import { announceAsk } from './announce.ts'
import { type AuditHandle, startSelfAudit } from './audit-role.ts'
import { createStreamRequester, type PeerComponents, random } from './components.ts'

/** How soon a line in the deny file counts, and a reserve that was given up is held again. */
const REFRESH_MS = 2_000

/** What screens ask of a running provider. */
export interface ProviderHandle {
  /** Undefined where the operator has switched it off. */
  readonly audit: AuditHandle | undefined
}

export async function startProvider(
  life: AsyncDisposableStack,
  components: PeerComponents,
  ledger: Ledger,
  { store, denied, refresh }: PeerStore
): Promise<ProviderHandle> {
  const { config, network, signer, tools, clock, node, announced, budget, webLimiter, serveOptions, emit, signal } =
    components
  const onError = (error: unknown) => emit({ kind: 'error', error })
  const refreshing = setInterval(() => void refresh().catch(onError), REFRESH_MS)
  life.defer(() => clearInterval(refreshing))
  const keeper = life.use(createPieceKeeper(ledger, store, signer.address, onError))
  await keeper.start()
  const audit = startSelfAudit(life, components, ledger, store)
  const prover = life.use(
    createProver({
      ledger,
      signer,
      pieces: createStorePieceReader(store),
      nodeHasher: tools.nodeHasher,
      clock,
      random,
      push: createStreamRequester(life, components, pushProofs),
      onEvent(event) {
        audit?.note(event)
        emit({ kind: 'prover', event })
      },
      onError
    })
  )
  const terms = {
    address: signer.address,
    pricePerLeafRoundMin: config.provider.pricePerLeafRound,
    leavesPerRoundMax: network.parameters.proving.leavesPerRoundMax,
    denies: (cid: CID) => denied.has(cid.toString())
  }
  const { allocateBytes, leaseBytes = allocateBytes / 2 } = config.provider
  const services = life.use(new AsyncDisposableStack())
  await serveProvider(
    services,
    {
      node: node.libp2p,
      web: node.web,
      webLimiter,
      onError,
      ledger,
      signer,
      signatures: tools.signatures,
      store,
      blocks: createPieceBlockstore(store),
      nodeHasher: tools.nodeHasher,
      clock,
      prover,
      terms,
      // Small disks must still take one large piece.
      leaseLimits: {
        bytesMax: Math.max(leaseBytes, PIECE_SIZE_BYTES_MAX),
        bytesPerClientMax: Math.max(leaseBytes / 2, PIECE_SIZE_BYTES_MAX)
      },
      budget,
      announced,
      ...(audit !== undefined && { lost: audit.lost })
    },
    serveOptions
  )
  prover.start()
  await announceAsk(
    { ledger, signer, random, signal, clock, onAnnounce: event => emit({ kind: 'announce', event }) },
    {
      addresses: announced(),
      region: config.provider.region ?? '',
      pricePerLeafRound: config.provider.pricePerLeafRound,
      capacityBytes: config.provider.allocateBytes
    }
  )
  return { audit }
}
