import {
  type Clock,
  createProver,
  createTrafficLimiter,
  type Prover,
  portableSignatureVerifier,
  TRAFFIC_TERMS
} from '@holdfast/core'
import type { Multiaddr } from '@multiformats/multiaddr'
import { multiaddr } from '@multiformats/multiaddr'
import { actorOf, type TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import type { PeerNode } from '../../src/node.ts'
import type { LostPieces } from '../../src/provider/components.ts'
import { createStorePieceReader } from '../../src/provider/piece-reader.ts'
import { serveProvider } from '../../src/provider/serve-provider.ts'
import { createTransferBudget, type TransferBudget } from '../../src/provider/transfer-budget.ts'
import { createPieceBlockstore, LEASE_MS_DEFAULT, type PieceStoreOptions } from '../../src/storage/index.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { nodeHasher, openTestStore, type TestStore } from '../storage/open-test-store.ts'

export interface TestProvider extends TestStore {
  readonly node: PeerNode
  readonly addresses: Multiaddr[]
  readonly prover: Prover
  readonly budget: TransferBudget
  /** What the provider takes for bugs of its own: none may come of what others send. */
  readonly errors: unknown[]
  /** Resolves when nothing is answered any more. */
  stopServing(): Promise<void>
}

/** A provider of the ledger fixture on a real node and a real store, over the fixture's ledger. */
export async function openTestProvider(
  path: string,
  network: TestNetwork,
  {
    name = 'provider one',
    wireClock,
    budget = createTransferBudget(wireClock === undefined ? {} : { clock: wireClock }),
    lost,
    ...storeOptions
  }: {
    name?: string
    budget?: TransferBudget
    wireClock?: Clock
    lost?: LostPieces
  } & Partial<PieceStoreOptions> = {}
): Promise<TestProvider> {
  await using starting = new AsyncDisposableStack()
  const { clock, ledger } = network
  const opened = starting.use(await openTestStore(path, { clock, leaseMs: LEASE_MS_DEFAULT, ...storeOptions }))
  const node = starting.use(await startNode(keyOf(name)))
  const { store } = opened
  const signer = actorOf(name)
  const errors: unknown[] = []
  const prover = starting.use(
    createProver({
      ledger,
      signer,
      pieces: createStorePieceReader(store),
      nodeHasher,
      clock,
      random: sizeBytes => new Uint8Array(sizeBytes),
      push: async () => ({ kind: 'no-answer', code: 'UNREACHABLE', reason: 'this test pushes nothing' })
    })
  )
  const services = starting.use(new AsyncDisposableStack())
  await serveProvider(
    services,
    {
      node: node.libp2p,
      web: node.web,
      webLimiter: createTrafficLimiter(TRAFFIC_TERMS, clock),
      onError: error => errors.push(error),
      ledger,
      signer,
      signatures: portableSignatureVerifier,
      store,
      blocks: createPieceBlockstore(store),
      nodeHasher,
      clock,
      prover,
      terms: { address: signer.address, pricePerLeafRoundMin: 100n, leavesPerRoundMax: 64 },
      leaseLimits: { bytesMax: 100e9, bytesPerClientMax: 100e9 },
      budget,
      announced: () => node.addresses(),
      ...(lost !== undefined && { lost })
    },
    {
      networkId: ledger.state.networkId,
      onError: error => errors.push(error),
      ...(wireClock !== undefined && { clock: wireClock })
    }
  )
  const life = starting.move()
  return {
    ...opened,
    node,
    addresses: node.addresses().map(address => multiaddr(address)),
    prover,
    budget,
    errors,
    stopServing: () => services.disposeAsync(),
    [Symbol.asyncDispose]: () => life.disposeAsync()
  }
}
