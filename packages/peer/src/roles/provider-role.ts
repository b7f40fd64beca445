/** The role of a provider: takes orders and pieces, keeps them proved, serves public blocks. */
import { createProver, type Ledger, pushProofs } from '@holdfast/core'
import { announcedAddresses } from '../announced-addresses.ts'
import { createPieceKeeper } from '../provider/keep-pieces.ts'
import { createStorePieceReader } from '../provider/piece-reader.ts'
import { serveProvider } from '../provider/serve-provider.ts'
import { createPieceBlockstore, type PieceStore } from '../storage/index.ts'
import { announceAsk } from './announce.ts'
import { createRequester, type PeerComponents, random } from './components.ts'

export async function startProvider(
  life: AsyncDisposableStack,
  components: PeerComponents,
  ledger: Ledger,
  store: PieceStore
): Promise<void> {
  const { config, network, signer, tools, clock, node, serveOptions, emit, signal } = components
  const onError = (error: unknown) => emit({ kind: 'error', error })
  const keeper = life.use(createPieceKeeper(ledger, store, signer.address, onError))
  await keeper.start()
  const prover = life.use(
    createProver({
      ledger,
      signer,
      pieces: createStorePieceReader(store),
      nodeHasher: tools.nodeHasher,
      clock,
      random,
      push: createRequester(components, pushProofs),
      onEvent: event => emit({ kind: 'prover', event }),
      onError
    })
  )
  const terms = {
    address: signer.address,
    pricePerLeafRoundMin: config.provider.pricePerLeafRound,
    leavesPerRoundMax: network.parameters.proving.leavesPerRoundMax
  }
  const services = life.use(new AsyncDisposableStack())
  await serveProvider(
    services,
    {
      node: node.libp2p,
      ledger,
      signer,
      signatures: tools.signatures,
      store,
      blocks: createPieceBlockstore(store),
      clock,
      prover,
      terms
    },
    serveOptions
  )
  prover.start()
  await announceAsk(
    { ledger, signer, random, signal },
    {
      addresses: announcedAddresses(node.addresses()),
      region: config.provider.region ?? '',
      pricePerLeafRound: config.provider.pricePerLeafRound,
      capacityBytes: config.provider.allocateBytes
    }
  )
}
