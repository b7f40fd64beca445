/** Uploads over the wire while either side is killed with SIGKILL: resumed, or begun anew, and never another piece. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { expect, it } from 'vitest'
import { PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { createIntakeWorkers } from '../../src/storage/index.ts'
import { IS_LONG, KILL_COUNT, type StandingChild, startStanding } from '../kill-after-lines.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { openTestStore, pieceCidOf, randomBytes } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestProvider } from './open-test-provider.ts'
import { WireClient } from './wire.ts'

const MIB = 1024 * 1024
const UPLOAD_ID = '0d'.repeat(16)
/** Each takes seconds: a process of its own, and tens of megabytes. */
const KILLS = IS_LONG ? 500 : Math.ceil(KILL_COUNT / 2)
const SEED = process.env.HOLDFAST_SEED ?? '4'

/** A number of bytes below a bound, the same for the same seed. */
function randomBelow(bound: number, what: string): number {
  return createHash('sha256').update(`${SEED} ${what}`).digest().readUInt32BE(0) % bound
}

function start(script: string, ...parameters: string[]): StandingChild {
  const child = startStanding(new URL(script, import.meta.url), parameters)
  child.stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk))
  return child
}

async function kill(child: StandingChild): Promise<void> {
  const ended = once(child, 'exit')
  if (child.kill('SIGKILL')) await ended
}

it(`a provider that is killed ${KILLS} times in uploads ends with the pieces`, {
  timeout: KILLS * 30_000 + 60_000
}, async () => {
  await using directory = await temporaryDirectory()
  const offsets: number[] = []
  const whole: string[] = []
  await using node = await startNode(keyOf('client'), [])
  const client = new WireClient(node, new TestNetwork())
  for (let kills = 0; ; ) {
    const provider = start('provider-process.ts', directory.path)
    try {
      const [line] = (await once(createInterface({ input: provider.stdout }), 'line')) as [string]
      const to: Multiaddr[] = (JSON.parse(line) as string[]).map(address => multiaddr(address))
      // More than one sync of the provider's, so that what a kill leaves can be gone on with.
      const bytes = randomBytes(whole.length, 72 * MIB + 5)
      const endBytes = randomBelow(72 * MIB, `provider ${kills}`)
      let firstBytes: number | undefined
      const answer = await client.upload(to, 1, bytes, {
        uploadId: UPLOAD_ID,
        onProgress(taken) {
          firstBytes ??= taken
          if (kills < KILLS && taken >= Math.max(endBytes, firstBytes + 1)) provider.kill('SIGKILL')
        }
      })
      offsets.push(firstBytes ?? 0)
      if (answer.kind === 'no-answer' && kills < KILLS) kills += 1
      else {
        // The kill came too late for this one, or there are none left.
        expect(answer).toMatchObject({ kind: 'answer' })
        if (answer.kind === 'answer') whole.push(answer.value.cid.toString())
        expect(whole.at(-1)).toBe(pieceCidOf(bytes))
        if (kills === KILLS) break
      }
    } finally {
      await kill(provider)
    }
  }
  expect(Math.max(...offsets)).toBeGreaterThanOrEqual(32 * MIB)
  await using opened = await openTestStore(directory.path, { clock: { now: () => Date.now() } })
  for (const cid of whole) expect(await opened.store.check(CID.parse(cid))).toEqual({ ok: true })
  const { incomingBytes } = await opened.store.measure()
  expect(incomingBytes).toBe(0)
})

it(`a client that is killed ${KILLS} times in uploads goes on in another process`, {
  timeout: KILLS * 30_000 + 60_000
}, async () => {
  await using directory = await temporaryDirectory()
  const network = new TestNetwork()
  await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
  await using workers = createIntakeWorkers({ count: 1 })
  await using provider = await openTestProvider(directory.path, network, {
    openIncoming: workers.open,
    capacityBytes: 1e9
  })
  const sizeBytes = 24 * MIB + 5
  let pieces = 0
  let before = 0
  for (let kills = 0; ; ) {
    const to = JSON.stringify(provider.node.addresses())
    const client = start('client-process.ts', to, String(pieces), String(sizeBytes), UPLOAD_ID)
    const lines: string[] = []
    const endBytes = before + randomBelow(3 * MIB, `client ${kills}`)
    for await (const line of createInterface({ input: client.stdout })) {
      lines.push(line)
      if (kills < KILLS && Number(line) > endBytes) client.kill('SIGKILL')
    }
    const [first, last] = [Number(lines[0]), lines.at(-1)!]
    // What was acknowledged before is there, but for what the kill itself outran.
    expect(first).toBeGreaterThanOrEqual(before)
    if (/^\d+$/.test(last)) {
      kills += 1
      before = first
    } else {
      expect(last).toBe(pieceCidOf(randomBytes(pieces, sizeBytes)))
      expect(before).toBeGreaterThan(0)
      if (kills === KILLS) break
      await provider.store.remove(CID.parse(last))
      pieces += 1
      before = 0
    }
    await expect.poll(() => provider.store.usage().reservedBytes, { timeout: 15_000 }).toBe(0)
  }
  expect(provider.errors).toEqual([])
})
