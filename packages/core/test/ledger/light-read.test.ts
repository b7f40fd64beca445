import type { Libp2p } from 'libp2p'
import { beforeEach, describe, expect, it } from 'vitest'
import { decodeEntry } from '../../src/ledger/entry.ts'
import { createFollower } from '../../src/ledger/follower.ts'
import { forkProofOf, verifyForkProof } from '../../src/ledger/fork-proof.ts'
import { type LogConnection, readConsistencyPath, readEntryWithProof, readHead } from '../../src/ledger/light-read.ts'
import { encodeHead, signHead } from '../../src/ledger/log-head.ts'
import { type LogProofSource, serveLogProofs } from '../../src/ledger/log-proofs.ts'
import { createRemoteSource } from '../../src/ledger/remote-source.ts'
import { ledgerEntries } from '../../src/protocols/definitions.ts'
import { serve } from '../../src/protocols/engine.ts'
import { usePair } from '../protocols/network.ts'
import { AUTHORITY, MemoryLog } from './memory-log.ts'
import { CLIENT, TOOLS } from './network-fixture.ts'

const net = usePair('/holdfast/ledger-proof/1')
const { networkId } = AUTHORITY
let log: MemoryLog
let connection: LogConnection

beforeEach(async () => {
  log = new MemoryLog()
  await log.grow(7)
  const { client, server } = net.pair
  connection = { node: client, peer: server.getMultiaddrs(), options: { networkId } }
  net.service = await serveLogProofs(server, log.proofs, { networkId })
})

/** Serves something else for the rest of a test. */
async function serveInstead(source: Partial<LogProofSource>): Promise<void> {
  await net.service![Symbol.asyncDispose]()
  net.service = await serveLogProofs(net.pair.server, { ...log.proofs, ...source }, { networkId })
}

describe('who holds no log', () => {
  it('reads the newest head, and one by its number', async () => {
    expect(await readHead(connection, AUTHORITY)).toEqual({ kind: 'answer', value: log.newest })
    expect(await readHead(connection, AUTHORITY, 1)).toEqual({ kind: 'answer', value: log.signedHeads[1] })
    expect(await readHead(connection, AUTHORITY, 99)).toMatchObject({ kind: 'refused', code: 'NO_SUCH_HEAD' })
  })

  it('believes no head that is not the host’s, nor one of another number', async () => {
    await serveInstead({ head: () => encodeHead(signHead(log.newest, CLIENT)) })
    expect(await readHead(connection, AUTHORITY)).toMatchObject({ kind: 'no-answer', code: 'INVALID' })
    await serveInstead({ head: () => encodeHead(log.newest) })
    expect(await readHead(connection, AUTHORITY, 1)).toMatchObject({ kind: 'no-answer', code: 'INVALID' })
  })

  it('reads an entry under a head, also an old one', async () => {
    for (const head of log.signedHeads) {
      for (let sequence = 0; sequence < head.size; sequence += 1) {
        const answer = await readEntryWithProof(connection, sequence, head)
        expect(answer).toEqual({ kind: 'answer', value: decodeEntry(log.entriesSoFar[sequence]!) })
      }
    }
    await expect(readEntryWithProof(connection, 8, log.newest)).rejects.toThrow(RangeError)
  })

  it('believes no entry that does not stand under its head', async () => {
    await serveInstead({
      read: async function* () {
        yield log.entriesSoFar[2]!
      }
    })
    expect(await readEntryWithProof(connection, 1, log.newest)).toMatchObject({ kind: 'no-answer', code: 'INVALID' })
    const other = new MemoryLog(log, 5)
    await other.grow(6, 2n)
    expect(await readEntryWithProof(connection, 1, other.signedHeads.at(-2)!)).toMatchObject({ kind: 'no-answer' })
  })

  it('hears that a peer has not come that far', async () => {
    const ahead = { size: 100, root: new Uint8Array(32) }
    expect(await readEntryWithProof(connection, 1, ahead)).toMatchObject({
      kind: 'refused',
      code: 'NO_SUCH_ENTRY',
      details: { length: 8 }
    })
    expect(await readConsistencyPath(connection, 3, ahead)).toMatchObject({ kind: 'refused', code: 'NO_SUCH_ENTRY' })
    await serveInstead({ head: () => undefined })
    expect(await readEntryWithProof(connection, 1, log.newest)).toMatchObject({ code: 'NO_SUCH_ENTRY' })
  })

  it('finds out by a path that what it has believed is not how the log begins', async () => {
    const [older, newer] = [log.signedHeads[1]!, log.newest]
    const path = await readConsistencyPath(connection, older.size, newer)
    expect(path.kind === 'answer' && forkProofOf(older, newer, path.value)).toBeUndefined()
    const other = new MemoryLog(log, 2)
    await other.grow(2, 2n)
    const believed = other.newest
    const shown = await readConsistencyPath(connection, believed.size, newer)
    const proof = shown.kind === 'answer' ? forkProofOf(believed, newer, shown.value) : undefined
    expect(verifyForkProof(proof!, AUTHORITY).ok).toBe(true)
  })

  it('takes no path that leads elsewhere', async () => {
    const other = new MemoryLog(log, 5)
    await other.grow(3, 2n)
    expect(await readConsistencyPath(connection, 2, other.newest)).toMatchObject({ kind: 'no-answer', code: 'INVALID' })
  })

  it('is served by followers as by the host, as far as they keep entries', async () => {
    await log.grow(300)
    const { parameters, clock } = log.network
    await using follower = createFollower({ parameters, source: log, tools: TOOLS, clock })
    await follower.start()
    await serveInstead(follower.proofs)
    expect(await readHead(connection, AUTHORITY)).toEqual({ kind: 'answer', value: log.newest })
    expect(await readEntryWithProof(connection, 3, log.newest)).toMatchObject({ code: 'NO_SUCH_ENTRY' })
    const path = await readConsistencyPath(connection, 256, log.newest)
    expect(path).toMatchObject({ kind: 'answer' })
  })
})

describe('a source over the wire', () => {
  it('hands over the head that came with the entries, and asks for heads by number', async () => {
    const { client, server } = net.pair
    const seen: Uint8Array[] = []
    const heads = { latest: () => encodeHead(log.signedHeads[0]!), saw: (head: Uint8Array) => seen.push(head) }
    await using _ = await serve(
      server as Libp2p,
      ledgerEntries,
      async ({ from }) => ({ ok: true, value: { entries: log.entriesSoFar.slice(from), length: log.tree.size } }),
      { networkId, heads: { latest: () => encodeHead(log.newest), saw: heads.saw } }
    )
    const source = createRemoteSource({ node: client, networkId, host: server.getMultiaddrs(), heads })
    const { signal } = new AbortController()
    expect(await source.entries(0, signal)).toEqual({
      entries: log.entriesSoFar,
      length: 8,
      head: encodeHead(log.newest)
    })
    expect(seen).toEqual([encodeHead(log.signedHeads[0]!)])
    expect(await source.head(1, signal)).toEqual(encodeHead(log.signedHeads[1]!))
    expect(await source.head(undefined, signal)).toEqual(encodeHead(log.newest))
    expect(await source.head(99, signal)).toBeUndefined()
  })
})
