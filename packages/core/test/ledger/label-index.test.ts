import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { replicasOf } from '../../src/client/find-replicas.ts'
import { createLabelIndex } from '../../src/ledger/label-index.ts'
import { pieceOf, rootOf } from './memory-pieces.ts'
import { CLIENT, PROVIDER, TestNetwork } from './network-fixture.ts'

const [LABEL, OTHER] = [rootOf('object').bytes, rootOf('another').bytes]

describe('an index of labels', () => {
  it('finds what a look at all deals finds, whatever happens to them', async () => {
    const network = new TestNetwork()
    const index = createLabelIndex(network.ledger)
    const expectSame = () => {
      for (const label of [LABEL, OTHER]) {
        const found = replicasOf(network.state, label, index.dealsWith(bytesToHex(label)))
        expect(found).toEqual(replicasOf(network.state, label))
      }
      const anew = createLabelIndex(network.ledger)
      for (const label of [LABEL, OTHER].map(bytesToHex))
        expect([...index.dealsWith(label)].sort()).toEqual([...anew.dealsWith(label)].sort())
      anew[Symbol.dispose]()
    }
    expectSame()
    await network.openDealWithPieces({ pieces: [pieceOf('a')] })
    await network.openDealWithPieces({ pieces: [pieceOf('b')] })
    await network.take(network.piecesOrder(1, [pieceOf('c')], { labels: [OTHER] }))
    expectSame()
    expect(replicasOf(network.state, OTHER, index.dealsWith(bytesToHex(OTHER)))).toHaveLength(1)
    await network.openRounds(2)
    await network.take(network.removePieces(CLIENT, 1, [1]))
    await network.openRounds(3)
    expectSame()
    await network.take(network.endDeal(PROVIDER, 2))
    await network.openRounds(8)
    expectSame()
    expect([...index.dealsWith(bytesToHex(LABEL))]).toEqual([])
  })
})
