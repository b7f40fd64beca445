/**
 * The ledger host is killed in the middle of a round, under load, and stays away for more than a round. What it
 * acknowledged stands, what it missed is void, and nobody pays for its absence.
 */
import { randomBytes } from 'node:crypto'
import {
  type AppliedEntry,
  type CommandOf,
  createLedgerMachine,
  createSigner,
  decodeEntry,
  hashState,
  type Ledger,
  type LedgerEvent,
  machineClock,
  portableSignatureVerifier,
  roundOpensMs,
  type Signer,
  statementDigestOf
} from '@holdfast/core'
import { dataDirectoryPaths, loadKey, readSegmentLog, replayLog } from '@holdfast/peer'
import { portableNodeHasher } from '@holdfast/proofs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeSampleTree } from './sample-tree.ts'
import { isFault, isPaid, startTestDevnet, TEST_ROUND_MS, type TestDevnet } from './test-devnet.ts'

const REPLICAS = 3
const PAYERS = 4
/** Acknowledged transfers after which the kill comes: the host is in the middle of the next ones then. */
const TRANSFERS_BEFORE_KILL = 12

const tools = { signatures: portableSignatureVerifier, nodeHasher: portableNodeHasher }

interface Acknowledged {
  readonly sequence: number
  readonly command: CommandOf<'Transfer'>
}

function signTransfer(
  ledger: Ledger,
  signer: Signer,
  to: CommandOf<'Transfer'>['statement']['to'],
  amount: bigint,
  nonce: number
) {
  const statement = { from: signer.address, to, amount, nonce }
  const signature = signer.sign(statementDigestOf(ledger.state)('Transfer', statement))
  return { kind: 'Transfer', statement, signature } as const
}

/** Pays one atto after the other until told to stop; what nobody answered is submitted again when the host is back. */
async function keepPaying(
  ledger: Ledger,
  signer: Signer,
  to: CommandOf<'Transfer'>['statement']['to'],
  hostIsBack: Promise<void>,
  stopped: AbortSignal,
  onAcknowledged: (acknowledged: Acknowledged) => void
): Promise<void> {
  for (let nonce = 0; !stopped.aborted; nonce += 1) {
    const command = signTransfer(ledger, signer, to, 1n, nonce)
    const receipt = await ledger.submit(command).catch(async error => {
      expect(error).toMatchObject({ code: 'LEDGER_UNREACHABLE' })
      await hostIsBack
      return ledger.submit(command)
    })
    if (!receipt.ok) throw new Error(`nonce ${nonce} was refused: ${receipt.refusal.message}`)
    onAcknowledged({ sequence: receipt.sequence, command })
  }
}

describe('a ledger host that is killed in the middle of a round', () => {
  let net: TestDevnet
  const acknowledged: Acknowledged[] = []
  const events: LedgerEvent[] = []
  /** Of states after so many entries, as the client's follower told of them. */
  const hashes = new Map<number, string>()
  let killedInRound = 0
  /** Acknowledgements that had come when the host died. */
  let acknowledgedBefore = 0
  let onDisk: Awaited<ReturnType<typeof replayLog>>
  let dealIds: number[]

  beforeAll(async () => {
    net = await startTestDevnet({ providers: REPLICAS, roundMs: TEST_ROUND_MS })
  })
  afterAll(() => net?.[Symbol.asyncDispose]())

  const replay = () =>
    replayLog(dataDirectoryPaths(net.devnet.peers[0]!.directory).ledgerDirectory, net.devnet.network.parameters, tools)

  /** Of the states after so many entries, as the log on the disk replays to them. */
  async function hashesOnDisk(wanted: ReadonlySet<number>): Promise<Map<number, string>> {
    const machine = createLedgerMachine(net.devnet.network.parameters, tools)
    const found = new Map<number, string>()
    for await (const { payload } of readSegmentLog(
      dataDirectoryPaths(net.devnet.peers[0]!.directory).ledgerDirectory
    )) {
      expect(machine.applyEntry(decodeEntry(payload)!).ok).toBe(true)
      if (wanted.has(machine.state.sequence)) found.set(machine.state.sequence, hashState(machine.state))
    }
    return found
  }

  test('comes back by itself, and deals are proved and paid again', { timeout: 120_000 }, async () => {
    const { client, devnet, directory, ledger, nextRound } = net
    const [host] = devnet.peers
    ledger.subscribe((applied: AppliedEntry) => {
      events.push(...applied.events)
      hashes.set(ledger.state.sequence, hashState(ledger.state))
    })
    const { replicas } = await client.put(await writeSampleTree(directory), { replicas: REPLICAS, list: false })
    dealIds = replicas.map(({ dealId }) => dealId)
    const bank = createSigner((await loadKey(devnet.clientKeyFile)).raw)
    const payers = Array.from({ length: PAYERS }, () => createSigner(new Uint8Array(randomBytes(32))))
    for (const [nonce, { address }] of payers.entries()) {
      expect(await ledger.submit(signTransfer(ledger, bank, address, 10n ** 18n, nonce))).toMatchObject({ ok: true })
    }
    await nextRound((_, results) => results.length === REPLICAS && results.every(isPaid))

    // A round has just closed, so another is open: transfers fill it, and the host dies among them.
    const hostIsBack = Promise.withResolvers<void>()
    const enough = Promise.withResolvers<void>()
    const stop = new AbortController()
    const paying = Promise.all(
      payers.map(payer =>
        keepPaying(ledger, payer, client.address, hostIsBack.promise, stop.signal, one => {
          if (acknowledged.push(one) === TRANSFERS_BEFORE_KILL) enough.resolve()
        })
      )
    )
    await Promise.race([enough.promise, paying])
    const killed = devnet.kill(host!)
    acknowledgedBefore = acknowledged.length
    await killed
    onDisk = await replay()
    killedInRound = onDisk.state.round
    const { parameters } = devnet.network
    await machineClock.sleep(roundOpensMs(parameters, killedInRound + 3) - machineClock.now())

    const provedAgain = nextRound(
      (round, results) => round > killedInRound && results.length === REPLICAS && results.every(isPaid)
    )
    await devnet.restart(host!)
    hostIsBack.resolve()
    await provedAgain
    stop.abort()
    await paying
  })

  test('kept every entry that it had acknowledged, and none twice', async () => {
    expect(acknowledgedBefore).toBeGreaterThanOrEqual(TRANSFERS_BEFORE_KILL)
    expect(acknowledged.length).toBeGreaterThan(acknowledgedBefore)
    const transfers = new Map<string, number>()
    const directory = dataDirectoryPaths(net.devnet.peers[0]!.directory).ledgerDirectory
    for await (const { sequence, payload } of readSegmentLog(directory)) {
      const body = decodeEntry(payload)!.body
      if (body.kind !== 'command' || body.command.kind !== 'Transfer') continue
      const { from, nonce } = body.command.statement
      expect(transfers.has(`${from} ${nonce}`)).toBe(false)
      transfers.set(`${from} ${nonce}`, sequence)
    }
    for (const { sequence, command } of acknowledged) {
      const { from, nonce } = command.statement
      expect(transfers.get(`${from} ${nonce}`)).toBe(sequence)
    }
    for (const { sequence } of acknowledged.slice(0, acknowledgedBefore)) expect(sequence).toBeLessThan(onDisk.entries)
  })

  test('left a log that replays to every state which its follower had', async () => {
    expect(onDisk.violations).toEqual([])
    const now = await replay()
    expect(now.entries).toBeGreaterThan(onDisk.entries)
    expect(now.violations).toEqual([])
    expect(now.sum).toBe(now.supply)
    // The follower may be an entry behind the disk, and tells of several at once.
    await expect.poll(() => net.ledger.state.sequence).toBeGreaterThanOrEqual(now.entries)
    const seen = [...hashes].filter(([entries]) => entries <= now.entries)
    expect(seen.some(([entries]) => entries <= onDisk.entries)).toBe(true)
    expect(seen.some(([entries]) => entries > onDisk.entries)).toBe(true)
    const replayed = await hashesOnDisk(new Set([onDisk.entries, ...seen.map(([entries]) => entries)]))
    expect(replayed.get(onDisk.entries)).toBe(onDisk.stateHash)
    for (const [entries, hash] of seen) expect(replayed.get(entries), `after ${entries} entries`).toBe(hash)
  })

  test('made the rounds that it missed void, and no fault', () => {
    // A busy machine may void others, before and after.
    const voided = events.find(event => event.kind === 'roundsVoided' && event.from === killedInRound + 1)
    expect(voided).toMatchObject({ to: expect.any(Number) })
    expect((voided as { to: number }).to).toBeGreaterThanOrEqual(killedInRound + 2)
    const closed = events.filter(event => event.kind === 'roundClosed')
    expect(closed.find(({ round }) => round === killedInRound)).toMatchObject({ late: true })
    expect(closed.flatMap(({ results }) => results).filter(isFault)).toEqual([])
    for (const id of dealIds) {
      const deal = net.ledger.state.deals.get(id)!
      expect(deal).toMatchObject({ status: 'active', docket: [], rounds: { faulted: 0 } })
      expect(deal.rounds.proved).toBeGreaterThanOrEqual(2)
    }
  })
})
