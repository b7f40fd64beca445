/**
 * Strangers that attack a peer, as a process of their own: `fork(…, [KIND, NETWORK_ID, PIECE, SIZE, ...ADDRESSES])`. Says
 * `attacking` when the attack is at its height, and goes on until its parent lets it go.
 */
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { download, parsePeerAddresses, proposeDeal, readRange, storePiece } from '@holdfast/core'
import { createNode } from '@holdfast/peer'
import { randomBytes } from '@noble/hashes/utils.js'
import { CID } from 'multiformats/cid'

export const FLOODS = {
  silent: '300 sockets that say nothing',
  huge: 'frames with huge declared lengths',
  stalled: '50 readers who take nothing',
  dripping: '20 requests that drip'
} as const
export type Flood = keyof typeof FLOODS

const KIB = 1024
const SILENT_SOCKETS = 300
const STALLED_READERS = 50
const DRIPPERS = 20
const IDENTITIES = 10
/** Between two tries of one stranger, and between the bytes that drip. */
const PAUSE_MS = 100
/** Nothing of it outlives a test that hangs. */
const LIFE_MS_MAX = 120_000

async function attack(kind: Flood, networkId: Uint8Array, piece: CID, sizeBytes: number, addresses: string[]) {
  const target = parsePeerAddresses(addresses)
  const nodes = await Promise.all(Array.from({ length: kind === 'silent' ? 0 : IDENTITIES }, startNode))

  async function startNode() {
    const node = await createNode({ privateKey: randomBytes(32), listen: [] })
    await node.start()
    return node
  }

  const open = (index: number, protocolId: string) =>
    nodes[index % IDENTITIES]!.libp2p.dialProtocol(target, protocolId, { signal: AbortSignal.timeout(5_000) }).catch(
      () => undefined
    )

  /** Sockets that say nothing; those that are closed are opened again. Each comes from an address of its own. */
  async function holdSocket(index: number): Promise<void> {
    const port = parseInt(/tcp\/(\d+)/.exec(addresses[0]!)![1]!, 10)
    for (;;) {
      const localAddress = `127.0.${1 + (index >> 7)}.${2 + (index & 127)}`
      const socket = connect({ host: '127.0.0.1', port, localAddress })
      socket.on('error', () => undefined)
      await new Promise(resolve => socket.resume().once('close', resolve))
      await pause(PAUSE_MS)
    }
  }

  /** Frames that say they are two gigabytes long, and some of what they announce. */
  async function declareHugely(index: number): Promise<void> {
    for (let sent = 0; ; sent++) {
      const stream = await open(index, [storePiece, proposeDeal, readRange][(sent + index) % 3]!.id)
      if (stream === undefined) {
        await pause(PAUSE_MS)
        continue
      }
      const closed = new Promise(resolve => stream.addEventListener('close', resolve, { once: true }))
      try {
        stream.send(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x08))
        stream.send(randomBytes(64 * KIB))
      } catch {
        // It was reset before all was said.
      }
      await closed
    }
  }

  async function stall(index: number): Promise<void> {
    const message = { piece, offset: 0, length: sizeBytes, permission: null, proof: false }
    for (;;) {
      const node = nodes[index % IDENTITIES]!
      const answer = await download(node.libp2p, target, readRange, message, { networkId })
      // As long as the provider waits for a credit, and a little longer.
      await pause(answer.kind === 'answer' ? readRange.idleTimeoutMs : PAUSE_MS)
    }
  }

  /** Requests that come a byte at a time. */
  async function drip(index: number): Promise<void> {
    for (;;) {
      const stream = await open(index, proposeDeal.id)
      try {
        stream?.send(Uint8Array.of(0x80, 0x80, 0x04))
        while (stream?.status === 'open') {
          await pause(PAUSE_MS)
          stream.send(Uint8Array.of(0))
        }
      } catch {
        // It was reset: the next one.
      }
      await pause(PAUSE_MS)
    }
  }

  const [count, begin] = {
    silent: [SILENT_SOCKETS, holdSocket],
    huge: [IDENTITIES, declareHugely],
    stalled: [STALLED_READERS, stall],
    dripping: [DRIPPERS, drip]
  }[kind] as [number, (index: number) => Promise<void>]
  const failed = Array.from({ length: count }, (_, index) => begin(index))
  await Promise.race([pause(1_000), ...failed])
  process.send?.('attacking')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kind = '', networkId = '', piece = '', sizeBytes = '', ...addresses] = process.argv.slice(2)
  process.on('disconnect', () => process.exit())
  setTimeout(() => process.exit(), LIFE_MS_MAX)
  await attack(
    kind as Flood,
    new Uint8Array(Buffer.from(networkId, 'hex')),
    CID.parse(piece),
    parseInt(sizeBytes, 10),
    addresses
  )
}
