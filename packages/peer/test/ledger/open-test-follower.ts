import { CoreError, type LedgerSource } from '@holdfast/core'
import { PARAMETERS, STRANGER, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import type { VirtualClock } from '../../../core/test/virtual-clock.ts'
import {
  createDurableFollower,
  type DurableFollower,
  type DurableFollowerOptions
} from '../../src/ledger/durable-follower.ts'
import type { LedgerHost } from '../../src/ledger/host.ts'
import { openTestFiles, type TestFiles } from './open-test-files.ts'

export interface TestFollower extends TestFiles, AsyncDisposable {
  readonly follower: DurableFollower
  readonly damage: CoreError[]
}

/** Everything that a host serves, without a network between. */
export function sourceOf(host: LedgerHost): LedgerSource & { isReachable: boolean; readonly asked: number[] } {
  const expectReachable = () => {
    if (!source.isReachable) throw new CoreError('LEDGER_UNREACHABLE', 'nobody is there')
  }
  const source = {
    isReachable: true,
    asked: [] as number[],
    async entries(from: number, signal: AbortSignal, isWaiting = true) {
      expectReachable()
      source.asked.push(from)
      if (from > host.length) throw new CoreError('LOG_INVALID', 'the host has lost entries that it gave out before')
      const answer = await host.entries(from, isWaiting ? 10_000 : 0, signal)
      expectReachable()
      return { ...answer, head: host.headExchange.latest() }
    },
    async head(number: number | undefined) {
      expectReachable()
      return await host.head(number)
    },
    async submit(command: Parameters<LedgerSource['submit']>[0]) {
      expectReachable()
      return await host.submit(command)
    }
  }
  return source
}

/** A follower on files under a directory, not yet started; closing it leaves them on disk. */
export async function openTestFollower(
  path: string,
  source: LedgerSource,
  clock: VirtualClock,
  options: Partial<DurableFollowerOptions> = {}
): Promise<TestFollower> {
  const opened = await openTestFiles(path, { owner: 'follower' })
  const damage: CoreError[] = []
  const follower = await createDurableFollower({
    files: opened.files,
    parameters: PARAMETERS,
    source,
    host: source,
    tools: TOOLS,
    clock,
    signer: STRANGER,
    onDamage: error => damage.push(error),
    ...options
  })
  const close = async () => {
    await follower.stop()
    await opened[Symbol.asyncDispose]()
  }
  return { ...opened, follower, damage, [Symbol.asyncDispose]: close }
}

/** Resolves when a follower has so many entries under a head. */
export function reached(follower: DurableFollower, size: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const check = () => {
    if ((follower.head?.size ?? 0) >= size) resolve()
  }
  const end = follower.subscribe(check)
  check()
  return promise.finally(end)
}
