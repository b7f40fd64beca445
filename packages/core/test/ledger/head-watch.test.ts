import { beforeEach, describe, expect, it } from 'vitest'
import { verifyForkProof } from '../../src/ledger/fork-proof.ts'
import { createHeadWatch, type Fork, type HeadWatch } from '../../src/ledger/head-watch.ts'
import { encodeHead, type LogHead, type SignedLogHead, signHead } from '../../src/ledger/log-head.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { AUTHORITY, MemoryLog } from './memory-log.ts'
import { CLIENT, HOST, TOOLS } from './network-fixture.ts'

let log: MemoryLog
let clock: VirtualClock
let forks: Fork[]
let newer: number[]
let errors: unknown[]
let checks: number
/** Who holds the log and can be asked for paths. */
let holder: MemoryLog | undefined
let watch: HeadWatch

const signatures = {
  recover: (...given: Parameters<typeof TOOLS.signatures.recover>) => {
    checks += 1
    return TOOLS.signatures.recover(...given)
  }
}

beforeEach(async () => {
  log = new MemoryLog()
  await log.grow(9)
  clock = new VirtualClock(1_000)
  forks = []
  newer = []
  errors = []
  checks = 0
  holder = undefined
  watch = createHeadWatch({
    authority: { ...AUTHORITY, signatures },
    clock,
    path: async (from, to) =>
      holder === undefined || to > holder.tree.size ? undefined : await holder.tree.consistency(from, to, holder.read),
    onFork: fork => forks.push(fork),
    onNewer: ({ number }) => newer.push(number),
    onError: error => errors.push(error)
  })
})

const changed = (head: LogHead, change: Partial<LogHead>, signer = HOST) => signHead({ ...head, ...change }, signer)
const see = (head: SignedLogHead) => watch.saw(encodeHead(head))
const root = new Uint8Array(32).fill(1)

describe('a watch over heads', () => {
  it('keeps the newest, and sends that on', () => {
    expect(watch.latest()).toBeUndefined()
    for (const number of [1, 3, 0, 2]) see(log.signedHeads[number]!)
    expect(watch.latest()).toEqual(encodeHead(log.signedHeads[3]!))
    expect(newer).toEqual([1, 3])
    expect(watch.headOf(2)).toEqual(log.signedHeads[2])
    expect(forks).toEqual([])
  })

  it('checks the signature of a head once, and of none that is not of its network', () => {
    for (let again = 0; again < 5; again += 1) for (const head of log.signedHeads) see(head)
    see(changed(log.newest, { networkId: root }))
    watch.saw(Uint8Array.of(1, 2, 3))
    expect(checks).toBe(log.signedHeads.length)
  })

  it('drops heads that the host did not sign, and pays for few of them a second', () => {
    for (let number = 100; number < 300; number += 1) see(changed(log.newest, { number }, CLIENT))
    expect(watch.latest()).toBeUndefined()
    expect(checks).toBe(32)
    clock.jumpTo(clock.now() + 500)
    for (let number = 300; number < 400; number += 1) see(changed(log.newest, { number }, CLIENT))
    expect(checks).toBe(48)
    clock.jumpTo(clock.now() + 1_000)
    see(log.newest)
    expect(watch.latest()).toEqual(encodeHead(log.newest))
    expect(forks).toEqual([])
  })

  it('reports two heads of one number once, with a proof that anybody can check', () => {
    for (const head of log.signedHeads) see(head)
    see(changed(log.newest, { root }))
    see(changed(log.newest, { timeMs: 7 }))
    expect(forks).toHaveLength(1)
    expect(forks[0]!.contradiction).toBe('same number')
    expect(verifyForkProof(forks[0]!.proof, AUTHORITY).ok).toBe(true)
  })

  it('finds a history that begins otherwise by the path of whoever holds one of them', async () => {
    const other = new MemoryLog(log, 4)
    await other.grow(20, 5n)
    watch.advance(log.newest)
    see(other.newest)
    await watch.settled()
    expect(forks).toEqual([])
    holder = other
    watch.advance(log.newest)
    await watch.settled()
    expect(forks).toMatchObject([{ contradiction: 'begins otherwise' }])
    expect(verifyForkProof(forks[0]!.proof, AUTHORITY).ok).toBe(true)
  })

  it('believes newer heads that continue the one it believes, and compares older ones', async () => {
    holder = log
    watch.advance(log.signedHeads[1]!)
    see(log.newest)
    await watch.settled()
    expect(watch.checked).toEqual(log.newest)
    see(log.signedHeads[0]!)
    await watch.settled()
    const other = new MemoryLog(log, 4)
    await other.grow(1, 5n)
    see(changed(other.newest, { number: 2 ** 20, previous: root }))
    await watch.settled()
    expect(forks).toHaveLength(1)
  })

  it('drops paths that lead elsewhere than to the head', async () => {
    const other = new MemoryLog(log, 4)
    await other.grow(20, 5n)
    holder = other
    watch.advance(log.signedHeads[0]!)
    see(log.newest)
    await watch.settled()
    expect(forks).toEqual([])
    expect(watch.checked).toEqual(log.signedHeads[0])
  })

  it('lets few heads wait, and the newest always', async () => {
    watch.advance(log.newest)
    for (let number = 1; number <= 60; number += 1)
      see(
        changed(log.newest, { number: log.newest.number + 2 * number, size: log.newest.size + number, previous: root })
      )
    await watch.settled()
    expect(watch.checked).toEqual(log.newest)
    expect(forks).toEqual([])
  })

  it('tells of a path that fails, and goes on', async () => {
    const failing = createHeadWatch({
      authority: AUTHORITY,
      clock,
      path: async () => {
        throw new Error('the disk is gone')
      },
      onFork: fork => forks.push(fork),
      onError: error => errors.push(error)
    })
    failing.advance(log.signedHeads[0]!)
    failing.saw(encodeHead(log.newest))
    await failing.settled()
    expect(errors).toMatchObject([{ message: 'the disk is gone' }])
    failing.saw(encodeHead(changed(log.newest, { root })))
    expect(forks).toHaveLength(1)
  })

  it('never throws, whatever a listener does', () => {
    const throwing = createHeadWatch({
      authority: AUTHORITY,
      clock,
      path: async () => undefined,
      onFork() {
        throw new TypeError('a bug')
      },
      onError: error => errors.push(error)
    })
    throwing.saw(encodeHead(log.newest))
    throwing.saw(encodeHead(changed(log.newest, { root })))
    expect(errors).toMatchObject([{ message: 'a bug' }])
  })
})
