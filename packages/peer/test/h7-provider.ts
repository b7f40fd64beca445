import { openTestProvider } from '/work/main/packages/peer/test/provider/open-test-provider.ts'
import { TestNetwork, PROVIDER } from '/work/main/packages/core/test/ledger/network-fixture.ts'
import { createIntakeWorkers } from '/work/main/packages/peer/src/storage/index.ts'
const network = new TestNetwork()
await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
const workers = createIntakeWorkers({ count: 1 })
const opened = await openTestProvider(process.argv[2]!, network, { capacityBytes: 100e9, ...(process.argv[3] === 'worker' && { openIncoming: workers.open }) })
process.stdout.write(JSON.stringify({ addresses: opened.node.addresses(), networkId: Buffer.from(network.state.networkId).toString('hex') }) + '\n')
process.stdin.on('data', () => { const { user, system } = process.cpuUsage(); process.stdout.write(JSON.stringify({ cpuS: (user + system) / 1e6, rssMiB: Math.round(process.resourceUsage().maxRSS / 1024) }) + '\n') })
