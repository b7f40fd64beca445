import { encodePieceCid } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { replicasOf } from '../../src/client/find-replicas.ts'
import type { Deal } from '../../src/ledger/state.ts'
import { ledgerReplicas, PIECES_PER_REPLICA_MAX, REPLICAS_PER_ANSWER_MAX } from '../../src/protocols/definitions.ts'
import { encodeReply } from '../../src/protocols/envelope.ts'
import { ADDRESSES_PER_PEER_MAX } from '../../src/schema.ts'
import { pieceOf, rootOf } from '../ledger/memory-pieces.ts'
import { CLIENT, LABEL, OTHER_PROVIDER, PROVIDER, TestNetwork } from '../ledger/network-fixture.ts'

describe('the replicas of an object', () => {
  it('are the live deals that hold its pieces, the reliable ones first', async () => {
    const network = new TestNetwork()
    const first = await network.openDealWithPieces()
    const second = await network.openDealWithPieces({ provider: OTHER_PROVIDER })
    await network.take(
      network.piecesOrder(first.deal.id, [pieceOf('of another object')], { labels: [rootOf('another').bytes] })
    )
    expect(replicasOf(network.state, LABEL)).toMatchObject([
      {
        dealId: 1,
        provider: PROVIDER.address,
        addresses: [`/memory/${PROVIDER.address}`],
        pieces: [first.deal.pieces[0]!.cid]
      },
      { dealId: 2, provider: OTHER_PROVIDER.address }
    ])
    await network.openRounds(2)
    await network.take(await network.selfProof(second.deal, OTHER_PROVIDER, second.pieces))
    await network.openRound()
    expect(replicasOf(network.state, LABEL).map(({ dealId }) => dealId)).toEqual([2, 1])
    expect(replicasOf(network.state, rootOf('another').bytes).map(({ dealId }) => dealId)).toEqual([1])
    expect(replicasOf(network.state, rootOf('unknown').bytes)).toEqual([])
    await network.take(network.endDeal(CLIENT, 2))
    expect(replicasOf(network.state, LABEL)).toHaveLength(2)
    second.deal.status = 'ended'
    expect(replicasOf(network.state, LABEL)).toHaveLength(1)
  })

  it('fit one answer, however many deals and pieces somebody put under a root', async () => {
    const network = new TestNetwork()
    const addresses = Array.from({ length: ADDRESSES_PER_PEER_MAX }, () => `/dns4/${'a'.repeat(250)}`)
    await network.take(network.ask(PROVIDER, { addresses }), network.dealOrder(PROVIDER))
    const pieces = Array.from({ length: 2000 }, (_, index) => {
      const root = sha256(Uint8Array.of(index, index >> 8))
      const cid = encodePieceCid({ root: root.with(31, root[31]! & 0x3f), rawSize: 1_065_353_216 })
      const label = bytesToHex(LABEL)
      return { id: index, cid, label, rawSize: 1, leafCount: 1, fromOpening: 2, untilOpening: undefined }
    })
    for (let id = 1; id <= 100; id += 1) {
      network.state.deals.set(id, { ...(network.state.deals.get(1) as Deal), id, pieces })
    }
    const replicas = replicasOf(network.state, LABEL)
    expect(replicas).toHaveLength(REPLICAS_PER_ANSWER_MAX)
    for (const replica of replicas) expect(replica.pieces).toHaveLength(PIECES_PER_REPLICA_MAX)
    const reply = { ok: true, value: { replicas } } as const
    expect(
      encodeReply(ledgerReplicas, ledgerReplicas.response, { networkId: new Uint8Array(32) }, reply).length
    ).toBeGreaterThan(0)
  })
})
