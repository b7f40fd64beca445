/** A client's side of the wire, as tests of a provider use it. */
import {
  type Answer,
  type Download,
  download,
  proposeDeal,
  readRange,
  request,
  storePiece,
  upload
} from '@holdfast/core'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import type { z } from 'zod'
import type { TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import type { PeerNode } from '../../src/node.ts'
import { collect } from '../collect.ts'

export type RangeRequest = z.output<typeof readRange.request>
export type RangeHeader = z.output<typeof readRange.response>

export class WireClient {
  readonly node: PeerNode
  readonly #network: TestNetwork

  constructor(node: PeerNode, network: TestNetwork) {
    this.node = node
    this.#network = network
  }

  get options() {
    return { networkId: this.#network.state.networkId }
  }

  upload(
    to: Multiaddr[],
    dealId: number,
    bytes: Uint8Array,
    {
      uploadId,
      mends,
      signal,
      onProgress
    }: { uploadId?: string; mends?: CID; signal?: AbortSignal; onProgress?: (bytes: number) => void } = {}
  ): Promise<Answer<{ cid: CID; rawSize: number }>> {
    async function* source(offset: number) {
      for (let at = offset; at < bytes.length; at += 500_000) yield bytes.subarray(at, at + 500_000)
    }
    const message = {
      dealId,
      sizeBytes: bytes.length,
      ...(uploadId !== undefined && { uploadId }),
      ...(mends !== undefined && { mends })
    }
    return upload(this.node.libp2p, to, storePiece, message, source, {
      ...this.options,
      ...(signal !== undefined && { signal }),
      ...(onProgress !== undefined && { onProgress })
    })
  }

  /** Uploads, has the order countersigned, and puts it on the ledger. */
  async store(to: Multiaddr[], dealId: number, bytes: Uint8Array, label?: Uint8Array): Promise<CID> {
    const sent = await this.upload(to, dealId, bytes)
    if (sent.kind !== 'answer') throw new Error(`not stored: ${JSON.stringify(sent)}`)
    const { cid } = sent.value
    const order = this.#network.piecesOrder(dealId, [{ cid }], label === undefined ? {} : { labels: [label] })
    if (order.kind !== 'PiecesOrder') throw new TypeError('expected an order')
    const { kind, statement, signature } = order
    const answer = await request(this.node.libp2p, to, proposeDeal, { kind, statement, signature }, this.options)
    if (answer.kind !== 'answer') throw new Error(`not signed: ${JSON.stringify(answer)}`)
    await this.#network.take({ ...order, acceptance: answer.value.acceptance })
    return cid
  }

  openRange(
    from: Multiaddr[],
    wanted: Partial<RangeRequest> & Pick<RangeRequest, 'piece' | 'length'>
  ): Promise<Answer<Download<RangeHeader>>> {
    const message = { offset: 0, permission: null, proof: false, ...wanted }
    return download(this.node.libp2p, from, readRange, message, this.options)
  }

  /** Reads a range to its end. */
  async readRange(
    from: Multiaddr[],
    wanted: Partial<RangeRequest> & Pick<RangeRequest, 'piece' | 'length'>
  ): Promise<Answer<RangeHeader & { bytes: Buffer }>> {
    const answer = await this.openRange(from, wanted)
    if (answer.kind !== 'answer') return answer
    const bytes = Buffer.concat(await collect(answer.value.chunks))
    return { kind: 'answer', value: { ...answer.value.header, bytes } }
  }
}
