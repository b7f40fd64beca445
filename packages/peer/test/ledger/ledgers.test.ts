/** The suite of ledgers, run against a host on disk and against a follower of one that submits through it. */
import type { Entry } from '@holdfast/core'
import { afterAll } from 'vitest'
import { describeLedger } from '../../../core/test/ledger/ledger-suite.ts'
import { type TestNetwork, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { createSignaturePool } from '../../src/ledger/signature-pool.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestFollower, sourceOf } from './open-test-follower.ts'
import { openTestHost } from './open-test-host.ts'

/** For all hosts: a thread takes a while to start. */
const signatures = createSignaturePool({ threads: 1 })
afterAll(() => signatures[Symbol.asyncDispose]())

describeLedger('the host', async network => {
  await using life = new AsyncDisposableStack()
  const host = await startHost(life, network)
  return { ledger: host, reached: entry => reached(host, entry), ...endOf(life) }
})

describeLedger('a follower', async network => {
  await using life = new AsyncDisposableStack()
  const host = await startHost(life, network)
  const { path } = life.use(await temporaryDirectory())
  const { parameters, clock } = network
  const { follower } = life.use(await openTestFollower(path, sourceOf(host), clock, { parameters }))
  await follower.start()
  return { ledger: follower, reached: entry => reached(follower, entry), ...endOf(life) }
})

/** A host with threads for its signatures. */
async function startHost(life: AsyncDisposableStack, { parameters, clock }: TestNetwork) {
  const { path } = life.use(await temporaryDirectory())
  const tools = { ...TOOLS, signatures: signatures.verifier }
  const { host } = life.use(await openTestHost(path, { parameters, clock, tools, signatures }))
  await host.start()
  return host
}

function endOf(life: AsyncDisposableStack) {
  const moved = life.move()
  return { [Symbol.asyncDispose]: () => moved.disposeAsync() }
}

function reached(
  ledger: Pick<Awaited<ReturnType<typeof startHost>>, 'state' | 'subscribe'>,
  { sequence }: Entry
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let end = () => undefined as unknown
  const check = (last = ledger.state.sequence - 1) => {
    if (last >= sequence) resolve()
  }
  end = ledger.subscribe(({ entry }) => check(entry.sequence))
  return promise.finally(() => end())
}
