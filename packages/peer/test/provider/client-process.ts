/** A child process: uploads bytes of a seed to a provider's addresses, and prints how far it is. */
import { multiaddr } from '@multiformats/multiaddr'
import { TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { randomBytes } from '../storage/open-test-store.ts'
import { WireClient } from './wire.ts'

export async function run(parameters: readonly string[]): Promise<void> {
  const [addresses, seed, sizeBytes, uploadId] = parameters as [string, string, string, string]
  const client = new WireClient(await startNode(keyOf('client'), []), new TestNetwork())
  const to = (JSON.parse(addresses) as string[]).map(address => multiaddr(address))
  const answer = await client.upload(to, 1, randomBytes(Number(seed), Number(sizeBytes)), {
    uploadId,
    onProgress: bytes => process.stdout.write(`${bytes}\n`)
  })
  process.stdout.write(`${answer.kind === 'answer' ? answer.value.cid : JSON.stringify(answer)}\n`)
  await client.node.stop()
}
