// A child process: a host on a directory that takes transfers in groups of up to so many, and prints the sequence of each
// once it is acknowledged. Snapshots are made every 40 entries, so that a kill may come amid one.
import { CLIENT, PROVIDER, TestNetwork, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { wasmSignatureVerifier } from '../../src/ledger/wasm-signatures.ts'
import { openTestHost } from './open-test-host.ts'

export async function run([path, groupSizeMax]: readonly string[]): Promise<never> {
  const network = new TestNetwork()
  const tools = { ...TOOLS, signatures: wasmSignatureVerifier }
  const groupMax = Number(groupSizeMax)
  const segments = { segmentSizeBytesMax: 16 * 1024 }
  const { host } = await openTestHost(path!, { tools, snapshotEntries: 40, log: segments })
  await host.start()
  for (let group = 0; ; group += 1) {
    const nonce = host.state.accounts.get(CLIENT.address)!.nonce
    const commands = Array.from({ length: 1 + (group % groupMax) }, (_, index) =>
      network.transfer(CLIENT, PROVIDER, 1n, nonce + index)
    )
    await Promise.all(
      commands.map(async command => {
        const receipt = await host.submit(command)
        if (!receipt.ok) throw new Error(receipt.refusal.message)
        process.stdout.write(`${receipt.sequence}\n`)
      })
    )
  }
}
