/**
 * Makes the receipt of a deal in a round: what the ledger holds of it, what the verifier shows, and the log's own proof.
 *
 * Asks the network for what only others have, and checks the whole before it is handed on: a receipt that does not convince
 * its maker convinces nobody.
 */
import { randomBytes } from 'node:crypto'
import {
  type Address,
  type Answer,
  type AppliedEntry,
  checkReceipt,
  checkTranscript,
  type DealReceipt,
  decodeState,
  type Entry,
  encodeReceipt,
  encodeState,
  type LedgerState,
  type LoggedCommand,
  type LogProof,
  ledgerHead,
  ledgerProof,
  type NetworkDescription,
  networkIdOf,
  parsePeerAddresses,
  portableSignatureVerifier,
  type RoundEntries,
  readRoundEntries,
  readTranscript,
  receiptOfAttestation,
  receiptOfSelfProof,
  request,
  type TranscriptAnswer,
  verifyHead
} from '@holdfast/core'
import { PeerError } from '../error.ts'
import { createNode, type PeerNode } from '../node.ts'
import { chooseNodeHasher } from '../node-hasher.ts'
import { readLedger } from './read-ledger.ts'

export interface ReceiptWishes {
  readonly networkFile: string
  readonly dealId: number
  readonly round: number
  /** Whose attestation it shall show; any that can be had when left out. */
  readonly verifier?: Address | undefined
  readonly signal: AbortSignal
}

/** The ledger as it stood when a round had closed, and what was entered while it was open. */
interface ClosedRoundState {
  readonly state: LedgerState
  readonly entries: RoundEntries
}

/**
 * @returns the receipt's bytes, checked
 * @throws {PeerError} `NO_ROUND`, `NO_DEAL`, `NO_RECEIPT` with what every verifier said
 */
export async function fetchReceipt(wishes: ReceiptWishes): Promise<Uint8Array> {
  const { networkFile, dealId, round, signal } = wishes
  const { network, closed } = await readClosedRound(networkFile, round, signal)
  if (!closed.state.deals.has(dealId))
    throw new PeerError('NO_DEAL', `There was no deal ${dealId} when round ${round} closed.`, { dealId, round })
  await using node = await createNode({ privateKey: new Uint8Array(randomBytes(32)), listen: [] })
  await node.start()
  const receipt =
    (await selfProofOf(node, network, closed, wishes)) ?? (await attestationOf(node, network, closed, wishes))
  const bytes = encodeReceipt(receipt)
  const verdict = checkReceipt(bytes, { networkId: networkIdOf(network.parameters) })
  if (!verdict.ok) throw new PeerError('NO_RECEIPT', `The receipt does not hold: ${verdict.reason}.`, { dealId, round })
  return bytes
}

async function readClosedRound(networkFile: string, round: number, signal: AbortSignal) {
  const entries: Entry[] = []
  let records: Uint8Array[] | undefined
  let isOpen = false
  const onEntry = ({ entry }: AppliedEntry, state: LedgerState) => {
    const { body } = entry
    const opens = body.kind === 'openRound' || body.kind === 'voidRounds'
    if (opens && isOpen) {
      entries.push(entry)
      records = [...encodeState(state)]
      isOpen = false
    }
    if (body.kind === 'openRound' && body.round === round) isOpen = true
    if (isOpen) entries.push(entry)
  }
  const { network, state } = await readLedger({ network: networkFile }, { onEntry, signal })
  const found = records === undefined ? undefined : await readRoundEntries(entries, round)
  if (records === undefined || found === undefined) {
    const why =
      round > state.round ? 'it has not begun' : isOpen ? 'it is still open' : 'it is void: nobody opened it in time'
    throw new PeerError('NO_ROUND', `There is no receipt of round ${round}: ${why}.`, { round, newest: state.round })
  }
  const closed: ClosedRoundState = { state: await decodeState(records, network.parameters), entries: found }
  return { network, closed }
}

async function selfProofOf(
  node: PeerNode,
  network: NetworkDescription,
  { state, entries }: ClosedRoundState,
  { dealId, round, verifier, signal }: ReceiptWishes
): Promise<DealReceipt | undefined> {
  if (verifier !== undefined) return undefined
  const logged = entries.selfProofs.find(({ command }) => command.statement.dealId === dealId)
  if (logged === undefined) return undefined
  const logProof = await logProofOf(node, network, logged, signal)
  return receiptOfSelfProof({ state, round, dealId, beaconSignature: entries.beaconSignature, logged, logProof })
}

async function attestationOf(
  node: PeerNode,
  network: NetworkDescription,
  { state, entries }: ClosedRoundState,
  { dealId, round, verifier, signal }: ReceiptWishes
): Promise<DealReceipt> {
  const networkId = networkIdOf(network.parameters)
  const nodeHasher = await chooseNodeHasher()
  const said: string[] = []
  for (const logged of entries.attestations) {
    const { verifier: one } = logged.command.statement
    if (verifier !== undefined && one !== verifier) continue
    let answer: Answer<TranscriptAnswer> | undefined
    const ask = async (
      addresses: readonly string[],
      message: { round: number; dealId: number },
      during: AbortSignal
    ) => {
      answer = await request(node.libp2p, parsePeerAddresses(addresses), readTranscript, message, {
        networkId,
        signal: during
      })
      return answer
    }
    const tools = { state, signatures: portableSignatureVerifier, nodeHasher, ask }
    const checked = await checkTranscript(tools, { verifier: one, round, dealId }, signal)
    if (checked.kind === 'nothing to check') continue
    if (checked.kind !== 'supports' || answer?.kind !== 'answer') {
      said.push(`${one}: ${'reason' in checked ? checked.reason : 'no answer'}`)
      continue
    }
    const { transcript, path, proofs } = answer.value
    const shown = { transcript, path, proofs: proofs ?? undefined }
    const logProof = await logProofOf(node, network, logged, signal)
    const { beaconSignature } = entries
    const receipt = receiptOfAttestation({ state, round, dealId, beaconSignature, logged, shown, logProof })
    if (receipt !== undefined) return receipt
  }
  const why = said.length === 0 ? 'no verifier attested more than that it got no answer' : said.join('; ')
  throw new PeerError('NO_RECEIPT', `Nobody shows that deal ${dealId} was proved in round ${round}: ${why}.`, {
    dealId,
    round
  })
}

/** Where the command stands under the host's newest head; undefined when the host does not answer now. */
async function logProofOf(
  { libp2p }: PeerNode,
  { parameters, addresses }: NetworkDescription,
  { sequence }: Pick<LoggedCommand<'Attestation'>, 'sequence'>,
  signal: AbortSignal
): Promise<LogProof | undefined> {
  const networkId = networkIdOf(parameters)
  const host = parsePeerAddresses(addresses.host)
  const answer = await request(libp2p, host, ledgerHead, {}, { networkId, signal })
  if (answer.kind !== 'answer') return undefined
  const authority = { networkId, host: parameters.host, signatures: portableSignatureVerifier }
  const verdict = verifyHead(answer.value.head, authority)
  if (!verdict.ok || verdict.head.size <= sequence) return undefined
  const question = { kind: 'entry', sequence, size: verdict.head.size } as const
  const proof = await request(libp2p, host, ledgerProof, question, { networkId, signal })
  return proof.kind === 'answer' && proof.value.kind === 'entry'
    ? { head: answer.value.head, path: proof.value.path }
    : undefined
}
