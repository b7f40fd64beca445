/** Genesis, stakes, asks and deals by true commands, in round 1. */
import { type Command, createStatementDigest, type LedgerMachine, roundOpensMs, type Statement } from '@holdfast/core'
import { createPieceHasher, portableNodeHasher } from '@holdfast/proofs'
import { seededBytes } from '../harness.ts'
import { type BenchNetwork, CREDIT } from './bench-network.ts'
import { appendTo, openingOf } from './many-deals.ts'

/** Of a statement in round 1. */
const VALID_UNTIL_ROUND = 10

/** @returns the entries, encoded; the first account provides what the second stores */
export async function openDeals(network: BenchNetwork, machine: LedgerMachine, count: number): Promise<Uint8Array[]> {
  const { parameters, sign, verifiers } = network
  const [provider, client] = [network.accounts[0]!, network.accounts[1]!]
  const digestOf = createStatementDigest(network.networkId)
  const openedMs = roundOpensMs(parameters, 1)
  const payloads = [appendTo(machine, { kind: 'genesis', networkId: network.networkId }, parameters.genesisMs)]
  let ids = 0
  const validity = () => {
    ids += 1
    return { id: ids.toString(16).padStart(32, '0'), validUntilRound: VALID_UNTIL_ROUND }
  }
  const take = (command: Command) => payloads.push(appendTo(machine, { kind: 'command', command }, openedMs))
  const accept = (order: Uint8Array) => provider.sign(digestOf('Acceptance', { provider: provider.address, order }))
  const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
  hasher.update(seededBytes(3000))
  const { cid } = hasher.digest()

  for (const verifier of verifiers) {
    const amount = parameters.money.stakeUnit
    const { address } = verifier
    take(
      sign('VerifierStake', verifier, { verifier: address, operator: address, ...validity(), amount, addresses: [] })
    )
  }
  take(
    sign('Ask', provider, {
      provider: provider.address,
      operator: provider.address,
      ...validity(),
      addresses: [],
      region: '',
      pricePerLeafRound: 100n,
      capacityBytes: 1_000_000_000
    })
  )
  // An ask counts from the next opening on.
  payloads.push(appendTo(machine, await openingOf(network, 1), openedMs))
  for (let dealId = 1; dealId <= count; dealId += 1) {
    const order: Statement<'DealOrder'> = {
      client: client.address,
      provider: provider.address,
      ...validity(),
      pricePerLeafRound: 100n,
      leavesPerRound: 5,
      escrow: 0n
    }
    take({ ...sign('DealOrder', client, order), acceptance: accept(digestOf('DealOrder', order)) })
    const pieces: Statement<'PiecesOrder'> = {
      client: client.address,
      ...validity(),
      dealId,
      pieces: [cid],
      labels: [Uint8Array.of(1)],
      deposit: CREDIT / 1000n
    }
    take({ ...sign('PiecesOrder', client, pieces), acceptance: accept(digestOf('PiecesOrder', pieces)) })
  }
  return payloads
}
