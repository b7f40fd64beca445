import { describe, expect, it } from 'vitest'
import { CoreError } from '../../src/error.ts'
import { createFallbackSource } from '../../src/ledger/fallback-source.ts'
import type { LedgerSource } from '../../src/ledger/follower.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { CLIENT, PROVIDER, TestNetwork } from './network-fixture.ts'

const { signal } = new AbortController()

/** A source that says who it is, or fails with a code. */
function createSource(name: string) {
  const asked: string[] = []
  const answer = <T>(value: T) => {
    asked.push(name)
    if (source.fails !== undefined) throw new CoreError(source.fails, `${name} fails`)
    return value
  }
  const source = {
    asked,
    fails: undefined as string | undefined,
    entries: async () => answer({ entries: [], length: name.length }),
    head: async () => answer(undefined),
    submit: async () => answer({ ok: true, sequence: name.length } as const)
  } satisfies LedgerSource & Record<string, unknown>
  return source
}

function createSources() {
  const clock = new VirtualClock(0)
  const [host, one, three] = [createSource('host'), createSource('f'), createSource('fff')]
  const source = createFallbackSource([host, one, three], clock)
  return { clock, host, one, three, source, length: async () => (await source.entries(0, signal)).length }
}

describe('a source of several', () => {
  it('asks the host, and a follower only when the host gives no answer', async () => {
    const { host, one, length } = createSources()
    expect(await length()).toBe(4)
    expect(one.asked).toEqual([])
    host.fails = 'LEDGER_UNREACHABLE'
    expect(await length()).toBe(1)
    one.fails = 'LEDGER_UNREACHABLE'
    expect(await length()).toBe(3)
  })

  it('stays with whoever answered, and asks the host again after a while', async () => {
    const { clock, host, length } = createSources()
    host.fails = 'LEDGER_UNREACHABLE'
    expect(await length()).toBe(1)
    host.fails = undefined
    expect(await length()).toBe(1)
    clock.jumpTo(30_000)
    expect(await length()).toBe(4)
  })

  it('passes over followers that are behind, and believes the host that it lost entries', async () => {
    const { host, one, length } = createSources()
    host.fails = 'LEDGER_UNREACHABLE'
    one.fails = 'LOG_INVALID'
    expect(await length()).toBe(3)
    host.fails = 'LOG_INVALID'
    await expect(createSources().length()).resolves.toBe(4)
    await expect(createFallbackSource([host, one], new VirtualClock(0)).entries(9, signal)).rejects.toMatchObject({
      code: 'LOG_INVALID'
    })
  })

  it('that all are silent is unreachable; what is no silence is thrown', async () => {
    const { host, one, three, source } = createSources()
    const network = new TestNetwork()
    const command = network.transfer(CLIENT, PROVIDER, 1n)
    for (const each of [host, one, three]) each.fails = 'LEDGER_UNREACHABLE'
    await expect(source.submit(command)).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    one.fails = 'SOMETHING_ELSE'
    await expect(source.submit(command)).rejects.toMatchObject({ code: 'SOMETHING_ELSE' })
  })

  it('tells whoever has left nothing', async () => {
    const { host, source } = createSources()
    host.fails = 'LEDGER_UNREACHABLE'
    const left = AbortSignal.abort(new Error('left'))
    await expect(source.head(undefined, left)).rejects.toThrow('left')
  })

  it('needs one at least', () => {
    expect(() => createFallbackSource([], new VirtualClock(0))).toThrow(RangeError)
  })
})
