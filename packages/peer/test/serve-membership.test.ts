import { randomBytes } from 'node:crypto'
import {
  ANY_NETWORK,
  describeNetwork,
  dialBack,
  networkIdOf,
  networkInfo,
  parseNetworkDescription,
  parsePeerAddresses,
  request
} from '@holdfast/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { HOST, PARAMETERS } from '../../core/test/ledger/network-fixture.ts'
import { createNode } from '../src/node.ts'
import { serveMembership } from '../src/serve-membership.ts'

const random = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes))
const NETWORK = describeNetwork(PARAMETERS, { sequence: 0, host: ['/ip4/127.0.0.1/tcp/1'], bootstrap: [] }, HOST)
const networkId = networkIdOf(NETWORK.parameters)

async function openNode(listen: string[]) {
  const node = await createNode({ privateKey: random(32), listen })
  onTestFinished(() => node.stop())
  await node.start()
  return node
}

async function openMember() {
  const node = await openNode(['/ip4/127.0.0.1/tcp/0'])
  const life = new AsyncDisposableStack()
  onTestFinished(() => life.disposeAsync())
  await serveMembership(
    life,
    { node, network: () => NETWORK, clock: { now: () => 1_234 }, round: () => 7, random },
    { networkId }
  )
  return parsePeerAddresses(node.addresses())
}

describe('a member of a network', () => {
  it('tells a stranger the network and its own time', async () => {
    const member = await openMember()
    const { libp2p } = await openNode([])
    const answer = await request(libp2p, member, networkInfo, {}, { networkId: ANY_NETWORK })
    expect(answer).toMatchObject({ kind: 'answer', value: { timeMs: 1_234, round: 7 } })
    if (answer.kind === 'answer') expect(parseNetworkDescription(answer.value.description)).toEqual(NETWORK)
  })

  it('finds a peer that listens where it says', async () => {
    const member = await openMember()
    const node = await openNode(['/ip4/127.0.0.1/tcp/0'])
    const addresses = node.addresses()
    const answer = await request(node.libp2p, member, dialBack, { addresses }, { networkId })
    expect(answer).toMatchObject({ kind: 'answer', value: { seenFrom: '127.0.0.1', reached: addresses[0] } })
  })

  it('says so when nobody, or somebody else, answers there', async () => {
    const member = await openMember()
    const node = await openNode([])
    const other = await openNode(['/ip4/127.0.0.1/tcp/0'])
    const closed = await request(node.libp2p, member, dialBack, { addresses: ['/ip4/127.0.0.1/tcp/9'] }, { networkId })
    expect(closed).toMatchObject({ kind: 'answer', value: { reason: expect.stringMatching(/\S/) } })
    expect(closed).not.toHaveProperty('value.reached')
    const [address = ''] = other.addresses()
    const wrong = await request(
      node.libp2p,
      member,
      dialBack,
      { addresses: [address.replace(/\/p2p\/.*/, '')] },
      { networkId }
    )
    expect(wrong).toMatchObject({ kind: 'answer', value: { reason: expect.stringContaining('another peer') } })
  })

  it('dials nobody but the asker', async () => {
    const member = await openMember()
    const node = await openNode([])
    const answer = await request(node.libp2p, member, dialBack, { addresses: ['/ip4/127.0.0.2/tcp/22'] }, { networkId })
    expect(answer).toMatchObject({
      kind: 'answer',
      value: { seenFrom: '127.0.0.1', reason: expect.stringContaining('none of the addresses') }
    })
  })
})
