/** The suite of logs, run against the logs on disk. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { describeLog, type LogUnderTest } from '../../../core/test/ledger/log-suite.ts'
import { CLIENT, PARAMETERS, STRANGER, TestNetwork, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { settled } from '../../../core/test/virtual-clock.ts'
import { wasmSignatureVerifier } from '../../src/ledger/wasm-signatures.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestFollower, reached, sourceOf } from './open-test-follower.ts'
import { openTestHost, type TestHost } from './open-test-host.ts'

const network = new TestNetwork()
const tools = { ...TOOLS, signatures: wasmSignatureVerifier }

describeLog('the host’s log', async () => logOfHost(await openHost()))
describeLog('a follower’s log', async () => await logOfFollower(await openHost()))

interface OpenHost extends TestHost {
  readonly path: string
}

/** @param image - a ledger directory to begin with a copy of */
async function openHost(image?: string): Promise<OpenHost> {
  await using opening = new AsyncDisposableStack()
  const { path } = opening.use(await temporaryDirectory())
  if (image !== undefined) await cp(image, join(path, 'ledger'), { recursive: true })
  const opened = opening.use(await openTestHost(path, { tools }))
  await opened.host.start()
  const life = opening.move()
  return { ...opened, path, [Symbol.asyncDispose]: () => life.disposeAsync() }
}

/** Entries in groups of three. */
async function grow({ host }: OpenHost, count: number, history: number): Promise<void> {
  for (let done = 0; done < count; done += 3) {
    const nonce = host.state.accounts.get(CLIENT.address)!.nonce
    const group = Array.from({ length: Math.min(3, count - done) }, (_, index) =>
      network.transfer(CLIENT, STRANGER, BigInt(history), nonce + index)
    )
    await Promise.all(group.map(command => host.submit(command)))
  }
}

function logOfHost(opened: OpenHost): LogUnderTest {
  const { host, clock, failures, directory } = opened
  return {
    parameters: PARAMETERS,
    tools,
    clock,
    proofs: host,
    state: host.state,
    grow: (count, history) => grow(opened, count, history),
    image: async () => logOfHost(await openHost(directory)),
    saw: head => host.headExchange.saw(head),
    async verdict() {
      const [failure] = failures as { code?: string }[]
      if (failure === undefined) return 'fine'
      return failure.code === 'HOST_FORKED' ? 'forked' : 'rolled back'
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]()
  }
}

/** A follower of a host of its own; its image follows an image of the host. */
async function logOfFollower(hosting: OpenHost): Promise<LogUnderTest> {
  await using opening = new AsyncDisposableStack()
  opening.use(hosting)
  const { path } = opening.use(await temporaryDirectory())
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => undefined)
  const damage: string[] = []
  const { follower } = opening.use(
    await openTestFollower(path, sourceOf(hosting.host), hosting.clock, {
      tools,
      onDamage(error) {
        damage.push(error.code)
        stopped.reject(error)
      }
    })
  )
  await follower.start()
  const life = opening.move()
  return {
    parameters: PARAMETERS,
    tools,
    clock: hosting.clock,
    proofs: follower.served,
    state: follower.state,
    async grow(count, history) {
      await grow(hosting, count, history)
      await Promise.race([reached(follower, hosting.host.length), stopped.promise])
    },
    image: async () => await logOfFollower(await openHost(hosting.directory)),
    saw: head => follower.heads.saw(head),
    async verdict() {
      await follower.heads.settled()
      await settled()
      return damage.includes('LOG_FORKED') ? 'forked' : 'fine'
    },
    [Symbol.asyncDispose]: () => life.disposeAsync()
  }
}
