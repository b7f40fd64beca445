/**
 * A provider that lies, as a process of its own: `fork(…, [NETWORK_FILE, KEY_FILE])`. Asks the least of all, so that every
 * store comes to it first, takes pieces into memory, and behaves as it is told by messages. Says `ready` with its address.
 */
import { randomBytes } from 'node:crypto'
import {
  createFollower,
  createRemoteSource,
  createSigner,
  machineClock,
  networkIdOf,
  parsePeerAddresses,
  portableSignatureVerifier,
  proposeDeal,
  pullPiece,
  readBlocks,
  readRange,
  refuse,
  serve,
  serveDownload,
  serveUpload,
  statementDigestOf,
  storePiece
} from '@holdfast/core'
import { chooseNodeHasher, createNode, loadOrCreateKey, readNetworkFile } from '@holdfast/peer'
import { createPieceHasher } from '@holdfast/proofs'

export type Behaviour =
  | 'honest'
  | 'no word on orders'
  | 'no word on pieces'
  | 'forged acceptance'
  | 'silent'
  | 'takes nothing'
  | 'cuts uploads'
  | 'another piece stored'
  | 'refuses reads'
  | 'wrong bytes'
  | 'another place of the piece'
  | 'too few bytes'
  | 'too many bytes'
  | 'never ends'
  | 'stalls reads'

const [networkFile, keyFile] = process.argv.slice(2)
if (networkFile === undefined || keyFile === undefined) throw new TypeError('expected NETWORK_FILE and KEY_FILE')

let behaviour: Behaviour = 'honest'
process.on('message', (next: Behaviour) => {
  behaviour = next
  process.send?.({ kind: 'behaves', behaviour })
})
process.on('disconnect', () => process.exit())

const network = await readNetworkFile(networkFile)
const networkId = networkIdOf(network.parameters)
const nodeHasher = await chooseNodeHasher()
const privateKey = (await loadOrCreateKey(keyFile)).raw
const signer = createSigner(privateKey)
const node = await createNode({ privateKey, listen: ['/ip4/127.0.0.1/tcp/0'] })
await node.start()
const ledger = createFollower({
  parameters: network.parameters,
  source: createRemoteSource({ node: node.libp2p, networkId, host: parsePeerAddresses(network.addresses.host) }),
  tools: { signatures: portableSignatureVerifier, nodeHasher },
  clock: machineClock
})
await ledger.start()
const options = { networkId }
const pieces = new Map<string, Uint8Array>()
const never = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

await serve(
  node.libp2p,
  proposeDeal,
  async ({ kind, statement }, { signal }) => {
    if (behaviour === 'silent') await never(signal)
    if (behaviour === 'no word on orders') return refuse('PRICE_TOO_LOW', 'I have thought better of it')
    if (behaviour === 'no word on pieces' && kind === 'PiecesOrder') return refuse('PIECE_MISSING', 'which piece?')
    const digestOf = statementDigestOf(ledger.state)
    const order = kind === 'DealOrder' ? digestOf(kind, statement) : digestOf(kind, statement)
    const acceptance = signer.sign(digestOf('Acceptance', { provider: signer.address, order }))
    if (behaviour === 'forged acceptance' && kind === 'PiecesOrder') acceptance[5]! ^= 1
    return { ok: true, value: { acceptance } }
  },
  options
)

await serve(node.libp2p, pullPiece, async () => refuse('PULL_FAILED', 'fetch it yourself'), options)

await serveUpload(
  node.libp2p,
  storePiece,
  async ({ sizeBytes }, { signal }) => {
    const bytes = new Uint8Array(sizeBytes)
    let filled = 0
    return {
      ok: true,
      value: {
        offset: 0,
        async write(chunk) {
          if (behaviour === 'takes nothing') await never(signal)
          if (behaviour === 'cuts uploads') {
            for (const connection of node.libp2p.getConnections()) connection.abort(new Error('gone'))
            return undefined
          }
          bytes.set(chunk, filled)
          filled += chunk.length
          return undefined
        },
        async finish() {
          if (behaviour === 'another piece stored') bytes[0]! ^= 1
          const hasher = createPieceHasher({ nodeHasher })
          hasher.update(bytes)
          const { cid } = hasher.digest()
          pieces.set(cid.toString(), bytes)
          return { ok: true, value: { cid, rawSize: bytes.length } }
        },
        abort: async () => undefined
      }
    }
  },
  options
)

/** What is sent instead of `right`, which is what was asked for. */
async function* spoil(right: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const middle = Math.floor(right.length / 2)
  switch (behaviour) {
    case 'wrong bytes':
      yield right.map((byte, at) => (at === middle ? byte ^ 1 : byte))
      return
    case 'another place of the piece':
      yield right.toReversed()
      return
    case 'too few bytes':
      yield right.subarray(0, middle)
      return
    case 'too many bytes':
      yield right
      yield right
      return
    case 'never ends':
      yield right.subarray(0, middle)
      for (;;) yield new Uint8Array(1024)
    case 'stalls reads':
      yield right.subarray(0, middle)
      return await never(signal)
    default:
      yield right
  }
}

await serveDownload(
  node.libp2p,
  readRange,
  async ({ piece, offset, length }, { signal }) => {
    if (behaviour === 'refuses reads') return refuse('PIECE_MISSING', 'what piece?')
    const bytes = pieces.get(piece.toString())
    if (bytes === undefined) return refuse('PIECE_MISSING', 'not mine')
    const header = { offset, length, nodes: new Uint8Array() }
    return { ok: true, value: { header, chunks: spoil(bytes.slice(offset, offset + length), signal) } }
  },
  options
)

/** Finds a block by walking the sections of every CAR: slow, and enough for a test. */
function blockOf(cidBytes: Uint8Array): Uint8Array | undefined {
  for (const piece of pieces.values()) {
    const header = readVarint(piece, 0)
    for (let at = header.end + header.value; at < piece.length; ) {
      const { value: sizeBytes, end } = readVarint(piece, at)
      const block = end + cidBytes.length
      if (Buffer.compare(piece.subarray(end, block), cidBytes) === 0) return piece.slice(block, end + sizeBytes)
      at = end + sizeBytes
    }
  }
  return undefined
}

function readVarint(bytes: Uint8Array, from: number): { value: number; end: number } {
  let value = 0
  let end = from
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[end++] ?? 0
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return { value, end }
  }
}

await serveDownload(
  node.libp2p,
  readBlocks,
  async ({ cids }, { signal }) => {
    if (behaviour === 'refuses reads') return refuse('BLOCK_MISSING', 'what block?')
    const blocks = cids.map(cid => blockOf(cid.bytes))
    if (blocks.includes(undefined)) return refuse('BLOCK_MISSING', 'not mine')
    const right = new Uint8Array(Buffer.concat(blocks as Uint8Array[]))
    const header = { sizesBytes: blocks.map(block => block!.length) }
    return { ok: true, value: { header, chunks: spoil(right, signal) } }
  },
  options
)

const statement = {
  provider: signer.address,
  operator: signer.address,
  id: randomBytes(16).toString('hex'),
  validUntilRound: ledger.state.round + 5,
  addresses: node.addresses().map(String),
  region: '',
  pricePerLeafRound: 1n,
  capacityBytes: 10 ** 9
}
const signature = signer.sign(statementDigestOf(ledger.state)('Ask', statement))
await ledger.submit({ kind: 'Ask', statement, signature })
process.send?.({ kind: 'ready', address: signer.address })
