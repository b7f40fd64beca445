/**
 * A daemon under attack by strangers: its memory stays bounded, and honest clients go on. Daemon, client and attackers are
 * processes of their own.
 *
 * The speed beside an attack is compared with the speed without it in the same run, the two in turns; on a machine that
 * others use as well the ratio says little, so it is printed here and judged in the long mode alone.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { networkIdOf, newestAskOf } from '@holdfast/core'
import { randomBytes } from '@noble/hashes/utils.js'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { FLOODS, type Flood } from './flood-attacker.ts'
import { STANDING_ROUND_MS, startTestDevnet, type TestDevnet } from './test-devnet.ts'

const isLong = process.env.HOLDFAST_LONG === '1'
const ATTACKER = fileURLToPath(new URL('flood-attacker.ts', import.meta.url))
const KIB = 1024
const MIB = 1024 * KIB
const OBJECT_BYTES = (isLong ? 64 : 16) * MIB
/** Reads without the attack, and as many beside it, for each kind. */
const TURNS = isLong ? 4 : 1
/** Reads in a row: a single one is over in a quarter of a second. */
const READS = isLong ? 4 : 1
const GROWTH_BYTES_MAX = 256 * MIB
const SPEED_LEAST = 0.8
/** How long the long mode looks at what an attack costs by itself. */
const LOOK_MS = 3_000
/** Of Linux, on every machine that Node runs on. */
const TICKS_PER_SECOND = 100

describe('a provider under attack', () => {
  let net: TestDevnet
  let reference: string
  let pid: number
  let idleBytes: number
  let target: string[]

  beforeAll(async () => {
    net = await startTestDevnet({ providers: 1, roundMs: STANDING_ROUND_MS })
    const source = join(net.directory, 'object')
    await writeFile(
      source,
      Buffer.concat(Array.from({ length: OBJECT_BYTES / (64 * KIB) }, () => randomBytes(64 * KIB)))
    )
    ;({ reference } = await net.client.put(source, { replicas: 1, list: false, encrypt: false }))
    const [provider] = net.devnet.providers
    pid = net.devnet.processOf(provider!).pid
    target = [...newestAskOf(net.ledger.state, provider!.address)!.addresses]
    await vi.waitUntil(() => net.ledger.state.deals.get(1)?.pieces.length === 1, { timeout: 10_000 })
    await read()
    idleBytes = await residentBytes('VmRSS')
  })
  afterAll(() => net?.[Symbol.asyncDispose]())

  /** Bytes a second of honest reads. */
  async function read(): Promise<number> {
    const output = join(net.directory, 'read')
    let elapsedMs = 0
    for (let index = 0; index < READS; index++) {
      const startedMs = performance.now()
      await net.client.get(reference, output)
      elapsedMs += performance.now() - startedMs
      await rm(output)
    }
    return (READS * OBJECT_BYTES) / (elapsedMs / 1000)
  }

  async function residentBytes(field: 'VmRSS' | 'VmHWM'): Promise<number> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return parseInt(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)![1]!, 10) * KIB
  }

  /** What the provider computes while the attack is all that it has, of one core. */
  async function cpuShareFor(ms: number): Promise<number> {
    const ticks = async () => {
      const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
      return parseInt(fields[11]!, 10) + parseInt(fields[12]!, 10)
    }
    const before = await ticks()
    await pause(ms)
    return ((await ticks()) - before) / TICKS_PER_SECOND / (ms / 1000)
  }

  async function startAttack(kind: Flood): Promise<ChildProcess> {
    const networkId = Buffer.from(networkIdOf(net.devnet.network.parameters)).toString('hex')
    const piece = net.ledger.state.deals.get(1)!.pieces[0]!.cid.toString()
    const attacker = fork(ATTACKER, [kind, networkId, piece, `${OBJECT_BYTES}`, ...target], {
      execArgv: ['--conditions=source'],
      stdio: 'inherit'
    })
    // Others attack with machines of their own: what the attacker computes must not be taken from the two that are measured.
    setPriority(attacker.pid!, constants.priority.PRIORITY_LOW)
    await once(attacker, 'message')
    return attacker
  }

  test.each(Object.keys(FLOODS) as Flood[])('by %s', { timeout: isLong ? 120_000 : 60_000 }, async kind => {
    const speeds = { quiet: 0, attacked: 0 }
    let cpuShare = 0
    await writeFile(`/proc/${pid}/clear_refs`, '5') // VmHWM begins anew
    for (let turn = 0; turn < TURNS; turn++) {
      // As long a rest as before the other read: processes that were idle begin slowly.
      if (isLong) await pause(LOOK_MS)
      speeds.quiet += await read()
      const attacker = await startAttack(kind)
      try {
        if (isLong) cpuShare += await cpuShareFor(LOOK_MS)
        speeds.attacked += await read()
      } finally {
        const ended = once(attacker, 'exit')
        attacker.kill('SIGKILL')
        await ended
      }
    }
    const grownBytes = (await residentBytes('VmHWM')) - idleBytes
    const ratio = speeds.attacked / speeds.quiet
    const mib = (bytes: number) => (bytes / MIB).toFixed(0)
    process.stdout.write(
      `beside ${FLOODS[kind]}: ${ratio.toFixed(2)} of the speed (${mib(speeds.quiet / TURNS)} MiB/s), ${mib(grownBytes)} MiB more memory\n`
    )
    if (isLong) process.stdout.write(`  the attack alone takes ${((100 * cpuShare) / TURNS).toFixed(0)} % of a core\n`)
    expect(grownBytes).toBeLessThan(GROWTH_BYTES_MAX)
    if (isLong) expect(ratio).toBeGreaterThan(SPEED_LEAST)
  })
})
