/**
 * Stores a folder on three providers, who can read nothing of it; reads it back and compares.
 *
 *     node examples/put-and-get.ts NETWORK_FILE KEY_FILE     on a network that runs: its description, and who pays
 *     node examples/put-and-get.ts                           on a devnet of its own, which ends with it
 *
 * Runs after the first build. What an app needs are the four lines of `putAndGet`; all else here makes the network and
 * looks at the result.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compareTrees } from '@holdfast/peer'
import { createClient } from '@holdfast/peer/client'
import { startDevnet } from '@holdfast/peer/devnet'

const PROVIDERS = 3
const ROUND_MS = 2_000

async function putAndGet(network: string, key: string, path: string, copy: string): Promise<void> {
  await using client = await createClient({ network, key })
  const { root, reference, replicas } = await client.put(path, { replicas: PROVIDERS })
  console.log(`stored ${root} on ${replicas.map(({ provider }) => provider).join(', ')}`)
  await client.get(reference, copy)
}

await using life = new AsyncDisposableStack()
const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
life.defer(() => rm(directory, { recursive: true }))

const [givenNetwork, givenKey] = process.argv.slice(2)
if ((givenNetwork === undefined) !== (givenKey === undefined)) {
  throw new TypeError('expected NETWORK_FILE and KEY_FILE, or neither')
}
const { network, key } =
  givenNetwork !== undefined && givenKey !== undefined
    ? { network: givenNetwork, key: givenKey }
    : await startOwnDevnet()

const path = import.meta.dirname
const copy = join(directory, 'copy')
await putAndGet(network, key, path, copy)
const comparison = await compareTrees(path, copy)
if (!comparison.equal) throw new Error(`what came back is not what was stored: ${comparison.difference}`)
console.log(
  `read back ${comparison.files} ${comparison.files === 1 ? 'file' : 'files'}, ${comparison.bytes} bytes, all equal`
)

async function startOwnDevnet(): Promise<{ network: string; key: string }> {
  const devnet = life.use(await startDevnet({ directory, providers: PROVIDERS, roundMs: ROUND_MS }))
  return { network: devnet.networkFile, key: devnet.clientKeyFile }
}
