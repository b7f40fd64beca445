/** A child process: the ledger fixture's provider over the data under a directory, with workers. Prints where it listens. */
import { PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { createIntakeWorkers } from '../../src/storage/index.ts'
import { openTestProvider } from './open-test-provider.ts'

export async function run([directory]: readonly string[]): Promise<void> {
  const network = new TestNetwork()
  await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
  const { open } = createIntakeWorkers({ count: 1 })
  const { node } = await openTestProvider(directory!, network, {
    openIncoming: open,
    capacityBytes: 10e9,
    clock: { now: () => Date.now() }
  })
  process.stdout.write(`${JSON.stringify(node.addresses())}\n`)
}
