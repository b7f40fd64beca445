import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeNetwork, formatNetworkDescription, networkIdOf } from '@holdfast/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { CLIENT, HOST, PARAMETERS, PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { mendCommand } from '../../src/cli/ledger/mend-command.ts'
import { recalcCommand } from '../../src/cli/ledger/recalc-command.ts'
import { formatSegmentName } from '../../src/ledger/segment-log-format.ts'
import { serveLedger } from '../../src/ledger/serve-ledger.ts'
import { expectIntact, FAST_TOOLS } from '../ledger/expect-intact.ts'
import { openTestHost } from '../ledger/open-test-host.ts'
import { startNode } from '../open-nodes.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { captureOutput } from './captured-output.ts'

const network = new TestNetwork()
const { signal } = new AbortController()
let life = new AsyncDisposableStack()
/** A data directory whose log is a copy of one that a node serves; where that node is. */
let path: string
let address: string
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
  const opened = life.use(await openTestHost(life.use(await temporaryDirectory()).path, { tools: FAST_TOOLS }))
  await opened.host.start()
  for (let nonce = 0; nonce < 10; nonce += 1) await opened.host.submit(network.transfer(CLIENT, PROVIDER, 1n, nonce))
  const node = life.use(await startNode())
  const services = life.use(new AsyncDisposableStack())
  await serveLedger(services, node.libp2p, opened.host, { networkId: networkIdOf(PARAMETERS) })
  address = node.addresses()[0]!
  await cp(opened.directory, join(path, 'ledger'), { recursive: true })
  const description = describeNetwork(PARAMETERS, { sequence: 1, host: [], bootstrap: [address] }, HOST)
  await writeFile(join(path, 'network.json'), formatNetworkDescription(description))
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function damage(): Promise<void> {
  const file = join(path, 'ledger', formatSegmentName(0))
  const bytes = await readFile(file)
  bytes[1500]! ^= 1
  await writeFile(file, bytes)
}

it('mends a log over the network, from a peer that is named or one of the description', async () => {
  for (const from of [[], ['--from', address]]) {
    await damage()
    using output = captureOutput(process.stdout)
    await mendCommand(signal).parseAsync(['--directory', path, '--json', ...from], { from: 'user' })
    expect(output.text).toContain('"event":"mended"')
    expect(output.text).toContain('"length":11')
    await expectIntact(path, 10)
    await recalcCommand(signal).parseAsync(['--directory', path, '--json'], { from: 'user' })
    expect(output.text).toContain('"differences":[]')
  }
})
