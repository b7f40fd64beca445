import type { CoreError } from '../../src/error.ts'
import { createFollower, type Follower } from '../../src/ledger/follower.ts'
import { settled } from '../virtual-clock.ts'
import { describeLog, type LogUnderTest } from './log-suite.ts'
import { MemoryLog } from './memory-log.ts'
import { MemoryStore } from './memory-store.ts'
import { TOOLS } from './network-fixture.ts'

describeLog('the log in memory', async () => hostLog(new MemoryLog()))
describeLog('a follower', async () => await followerLog(new MemoryLog()))

function hostLog(log: MemoryLog): LogUnderTest {
  return {
    parameters: log.network.parameters,
    tools: TOOLS,
    clock: log.network.clock,
    proofs: log.proofs,
    state: log.network.state,
    grow: (count, history) => log.grow(count, BigInt(history)),
    image: async () => hostLog(new MemoryLog(log)),
    saw: head => log.watch.saw(head),
    async verdict() {
      await log.watch.settled()
      if (log.forks.length > 0) return 'forked'
      return log.rolledBack === undefined ? 'fine' : 'rolled back'
    },
    async [Symbol.asyncDispose]() {}
  }
}

/** A follower of a host of its own; its image follows an image of the host. */
async function followerLog(host: MemoryLog): Promise<LogUnderTest> {
  const { parameters, clock } = host.network
  const store = new MemoryStore()
  const damage: CoreError[] = []
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => undefined)
  const onDamage = (error: CoreError) => {
    damage.push(error)
    stopped.reject(error)
  }
  const follower = createFollower({ parameters, source: host, tools: TOOLS, clock, store, onDamage })
  await follower.start()
  return {
    parameters,
    tools: TOOLS,
    clock,
    proofs: { ...follower.proofs, head: number => store.head(number) },
    state: follower.state,
    async grow(count, history) {
      await host.grow(count, BigInt(history))
      await Promise.race([reached(follower, host.newest.size), stopped.promise])
    },
    image: async () => await followerLog(new MemoryLog(host)),
    saw: head => follower.heads.saw(head),
    async verdict() {
      await follower.heads.settled()
      await settled()
      return damage.some(({ code }) => code === 'LOG_FORKED') ? 'forked' : 'fine'
    },
    [Symbol.asyncDispose]: () => follower.stop()
  }
}

function reached(follower: Follower, size: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const check = () => {
    if (follower.head?.size === size) resolve()
  }
  const end = follower.subscribe(check)
  check()
  return promise.finally(end)
}
