/**
 * Verifiers as real processes: one that is set up from nothing and leaves again, receipts of what was attested, and a bot
 * and a daemon that are killed at any moment and catch up.
 *
 * HOLDFAST_LONG=1 kills sixty times, HOLDFAST_SEED repeats a run.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { access, copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Address,
  assignmentOf,
  attestFromMs,
  type CommandOf,
  checkReceipt,
  countAssignedTo,
  decodeEntry,
  machineClock,
  networkIdOf,
  roundOpensMs
} from '@holdfast/core'
import { dataDirectoryPaths, readSegmentLog } from '@holdfast/peer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DevnetPeer } from '../../packages/peer/dist/devnet/devnet.js'
import { createTranscriptStore } from '../../packages/peer/dist/verifier/transcript-store.js'
import { temporaryDirectory } from '../../packages/peer/test/temporary-directory.ts'
import { createDraw } from './draw.ts'
import { HOLDFAST_MAIN, type HoldfastEvent, type HoldfastRun, runHoldfast } from './holdfast-run.ts'
import { isPaid, startTestDevnet, TEST_ROUND_MS, type TestDevnet } from './test-devnet.ts'

const REPLICAS = 2
const KILLS = process.env.HOLDFAST_LONG === undefined ? 3 : 60
const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000)
const CREDIT = 10n ** 18n

let net: TestDevnet
/** The devnet's own verifier. */
let bot: DevnetPeer
/** What is left when the network is gone. */
let offline: string
/** Rounds that gave a verifier something to do: verifier → round. */
const assigned = new Map<Address, Set<number>>()
const late = new Set<number>()
const fees = new Map<Address, bigint[]>()

/** What a verifier had earned after each of its fees. */
const feesOf = (verifier: Address) => {
  let sum = 0n
  return (fees.get(verifier) ?? []).map(fee => {
    sum += fee
    return sum
  })
}
const at = (...names: string[]) => join(net.directory, ...names)
const run = (args: readonly string[], onEvent?: (event: HoldfastEvent) => void) =>
  runHoldfast(args, { temporaryDirectory: net.directory, ...(onEvent !== undefined && { onEvent }) })

const life = new AsyncDisposableStack()
beforeAll(async () => {
  offline = life.use(await temporaryDirectory()).path
  net = await startTestDevnet({ providers: REPLICAS, roundMs: TEST_ROUND_MS, allocate: ['64MiB', '64MiB'] })
  bot = net.devnet.peers.find(({ role }) => role === 'verifier')!
  const { ledger } = net
  ledger.subscribe(({ events }) => {
    for (const event of events) {
      if (event.kind === 'roundClosed') {
        if (event.late) late.add(event.round)
        for (const { fees: paid, paidVerifiers } of event.results)
          for (const verifier of paidVerifiers)
            fees.set(verifier, [...(fees.get(verifier) ?? []), paid / BigInt(paidVerifiers.length)])
      }
      const { open } = ledger.state
      if (event.kind !== 'roundOpened' || open?.round !== event.round) continue
      for (const { address } of open.verifiers) {
        if (countAssignedTo(assignmentOf(ledger.state, open), address) === 0) continue
        assigned.set(address, (assigned.get(address) ?? new Set()).add(event.round))
      }
    }
  })
  await net.client.put(new Uint8Array(randomBytes(200_000)), { name: 'file', replicas: REPLICAS, list: false })
}, 120_000)
afterAll(async () => {
  await net?.[Symbol.asyncDispose]()
  await life.disposeAsync()
})

describe('a verifier from nothing', () => {
  let address: Address
  let verifier: HoldfastRun
  const options = () => ['--directory', at('verifier'), '--json']

  test('is shown what it would earn before anything is made or staked', async () => {
    const dry = await run(['verify', '--dry-run', '--network', net.devnet.networkFile, '--stake', '200', ...options()])
      .ended
    expect({ code: dry.code, stderr: dry.stderr }).toEqual({ code: 0, stderr: '' })
    const { expected, stake, perDay } = JSON.parse(dry.stdout) as Record<string, Record<string, unknown>>
    expect({ stake, ...expected }).toMatchObject({
      stake: `${200n * CREDIT}`,
      places: 2,
      placesOfAll: 3,
      deals: REPLICAS,
      // One verifier a deal, and two of three places.
      dealsAssigned: expect.closeTo((2 / 3) * REPLICAS, 6)
    })
    expect(BigInt(`${perDay}`)).toBe(BigInt(`${expected!.perRound}`) * BigInt(86_400_000 / TEST_ROUND_MS))
    await expect(access(at('verifier'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(net.ledger.state.verifiers.size).toBe(1)
  })

  test('stakes nothing unasked', async () => {
    const silent = await run([
      'verify',
      '--network',
      net.devnet.networkFile,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      ...options()
    ]).ended
    expect(silent.code).toBe(2)
    expect(silent.stdout).toContain('--stake')
  })

  test('says what is missing, and stakes when it comes', async () => {
    const staked = Promise.withResolvers<HoldfastEvent>()
    verifier = life.use(
      run(['verify', '--stake', '200', ...options()], event => {
        if (event.event === 'stake' && event.kind === 'staked') staked.resolve(event)
      })
    )
    address = (await verifier.event('ready')).address as Address
    expect(verifier.events.find(({ event }) => event === 'income')).toMatchObject({ stake: `${200n * CREDIT}` })
    expect(verifier.events.find(({ event }) => event === 'stake')).toMatchObject({
      kind: 'creditsMissing',
      missing: `${200n * CREDIT}`
    })
    const { networkFile, clientKeyFile } = net.devnet
    const sent = await run(['credits', 'send', address, '250', '--network', networkFile, '--key', clientKeyFile]).ended
    expect(sent).toMatchObject({ code: 0 })
    expect(await staked.promise).toMatchObject({ stake: `${200n * CREDIT}` })
  })

  test('checks what is assigned to it, attests and earns; its figures are the ledger’s', async () => {
    const event = await verifier.event('round')
    expect(event).toMatchObject({ bad: 0, isClosed: true, penalty: '0' })
    const view = await run(['verify', 'status', ...options()]).ended
    const {
      fees: earned,
      stake,
      places,
      rounds
    } = JSON.parse(view.stdout) as Record<string, string> & {
      rounds: { round: number; attestedMs: number }[]
    }
    expect({ stake, places }).toEqual({ stake: `${200n * CREDIT}`, places: 2 })
    // The client may be an entry behind the verifier, or ahead of it.
    await expect.poll(() => feesOf(address), { timeout: 10_000 }).toContain(BigInt(earned!))
    expect(rounds.some(({ attestedMs }) => attestedMs > 0)).toBe(true)
    const { round } = rounds.findLast(({ attestedMs }) => attestedMs > 0)!
    const kept = await run(['verify', 'status', '--round', `${round}`, ...options()]).ended
    const { deals } = JSON.parse(kept.stdout) as { deals: { verdict: string }[] }
    expect(deals.length).toBeGreaterThan(0)
    for (const deal of deals) expect(deal).toMatchObject({ verdict: 'pass', provider: expect.any(String) })
  })

  test('takes its stake back, is told when it is free, and does not stake again', async () => {
    const unstaked = await run(['verify', 'unstake', ...options()]).ended
    expect(unstaked).toMatchObject({ code: 0 })
    const { leaving } = JSON.parse(unstaked.stdout) as { leaving: { amount: string; releaseMs: number }[] }
    expect(leaving).toMatchObject([{ amount: `${200n * CREDIT}` }])
    expect(leaving[0]!.releaseMs).toBeGreaterThan(Date.now())
    expect(await readFile(dataDirectoryPaths(at('verifier')).configFile, 'utf8')).toContain('stake = "0"')
    verifier.kill('SIGTERM')
    expect(await verifier.ended).toMatchObject({ code: 0, signal: null })
    await using restarted = run(['verify', ...options()])
    await restarted.event('ready')
    expect(restarted.events.filter(({ event }) => event === 'stake')).toEqual([])
    restarted.kill('SIGINT')
    expect(await restarted.ended).toMatchObject({ code: 0, signal: null })
    expect(net.ledger.state.verifiers.get(address)).toMatchObject({ stake: 0n })
  })
})

test('a receipt shows what was attested; to nobody else’s network, and not with a bit changed', async () => {
  const proved = Promise.withResolvers<{ round: number; dealId: number }>()
  const end = net.ledger.subscribe(({ events }) => {
    for (const event of events) {
      if (event.kind !== 'roundClosed') continue
      const result = event.results.find(
        ({ outcome, paidVerifiers }) =>
          outcome.kind === 'proved' && outcome.by === 'quorum' && paidVerifiers.includes(bot.address)
      )
      if (result !== undefined) proved.resolve({ round: event.round, dealId: result.dealId })
    }
  })
  const { round, dealId } = await proved.promise.finally(end)
  const { networkFile, network } = net.devnet
  // Its bytes, not its lines.
  const { stdout, code } = await runForBytes(['receipt', `${dealId}`, `${round}`, '--network', networkFile])
  expect(code).toBe(0)
  await writeFile(join(offline, 'receipt'), stdout)
  await copyFile(networkFile, join(offline, 'network.json'))
  const networkId = networkIdOf(network.parameters)
  expect(checkReceipt(stdout, { networkId })).toMatchObject({
    ok: true,
    facts: { dealId, round, verdict: 'pass', verifier: bot.address }
  })
  const draw = createDraw(SEED)
  for (let flips = 0; flips < 25; flips += 1) {
    const bit = Math.floor(draw() * stdout.length * 8)
    const changed = new Uint8Array(stdout)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    expect({ bit, ...checkReceipt(changed, { networkId }) }).toMatchObject({
      bit,
      ok: false,
      reason: expect.any(String)
    })
  }
})

describe(`a bot and a daemon that are killed ${KILLS} times (HOLDFAST_SEED=${SEED})`, () => {
  /** From when to when the bot ran, milliseconds of Unix time. */
  const lives: { fromMs: number; untilMs: number }[] = []

  test('catch up by themselves, and are paid again', { timeout: KILLS * 30_000 }, async () => {
    const { devnet, nextRound } = net
    const draw = createDraw(SEED)
    const peers = [bot, ...devnet.providers]
    lives.push({ fromMs: Date.now(), untilMs: Number.POSITIVE_INFINITY })
    for (let kill = 0; kill < KILLS; kill += 1) {
      const victim = kill % 2 === 0 ? bot : peers[Math.floor(draw() * peers.length)]!
      await machineClock.sleep(draw() * TEST_ROUND_MS)
      await devnet.kill(victim)
      if (victim === bot) lives.at(-1)!.untilMs = Date.now()
      await devnet.restart(victim)
      if (victim === bot) lives.push({ fromMs: Date.now(), untilMs: Number.POSITIVE_INFINITY })
    }
    const since = net.ledger.state.round
    await nextRound((round, results) => round > since + 1 && results.length >= REPLICAS && results.every(isPaid))
    for (const deal of net.ledger.state.deals.values()) expect(deal).toMatchObject({ status: 'active', docket: [] })
  })

  test('never attested twice, and what was kept is what was attested', async () => {
    await net.devnet.kill(bot)
    lives.at(-1)!.untilMs = Date.now()
    const attestations = new Map<number, CommandOf<'Attestation'>>()
    for await (const { payload } of readSegmentLog(
      dataDirectoryPaths(net.devnet.peers[0]!.directory).ledgerDirectory
    )) {
      const { body } = decodeEntry(payload)!
      if (body.kind !== 'command' || body.command.kind !== 'Attestation') continue
      const { verifier, round } = body.command.statement
      if (verifier !== bot.address) continue
      expect(attestations.has(round)).toBe(false)
      attestations.set(round, body.command)
    }
    expect(attestations.size).toBeGreaterThan(2)
    await using store = createTranscriptStore({ directory: dataDirectoryPaths(bot.directory).transcriptsDirectory })
    await store.start()
    // What can be disputed is there still.
    const { closed } = net.ledger.state
    const known = [...attestations].filter(([round]) => closed.has(round))
    expect(known.length).toBeGreaterThan(2)
    for (const [round, logged] of known) expect({ round, ...(await store.sealed(round)) }).toEqual({ round, ...logged })
    const { parameters } = net.devnet.network
    const missed = [...(assigned.get(bot.address) ?? [])].filter(round => {
      const ran = lives.some(
        ({ fromMs, untilMs }) =>
          fromMs <= attestFromMs(parameters, round) && untilMs >= roundOpensMs(parameters, round + 1)
      )
      return ran && !late.has(round) && !attestations.has(round)
    })
    expect(missed).toEqual([])
  })
})

test('a receipt is checked where no network is any more', async () => {
  await net[Symbol.asyncDispose]()
  const check = (...args: string[]) =>
    runHoldfast(['check-receipt', ...args, '--network', join(offline, 'network.json'), '--json'], {
      temporaryDirectory: offline
    }).ended
  const good = await check(join(offline, 'receipt'))
  expect(good).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(good.stdout)).toMatchObject({ event: 'valid', verdict: 'pass', verifier: bot.address })
  const bytes = await readFile(join(offline, 'receipt'))
  bytes[Math.floor(createDraw(SEED)() * bytes.length)]! ^= 1
  await writeFile(join(offline, 'changed'), bytes)
  const changed = await check(join(offline, 'changed'))
  expect(changed.code).toBe(1)
  expect(changed.stdout).toContain('proves nothing: ')
})

/** As `runHoldfast`, for a command that prints bytes. */
async function runForBytes(args: readonly string[]): Promise<{ code: number | null; stdout: Uint8Array }> {
  const child = spawn(process.execPath, [HOLDFAST_MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { code, stdout: new Uint8Array(Buffer.concat(chunks)) }
}
