/** Checks the heads of a ledger directory against each other, and against the log as it is read. */
import {
  createLogTree,
  encodeHead,
  hashHead,
  type LedgerTools,
  type NetworkParameters,
  networkIdOf,
  type SignedLogHead,
  verifyHead
} from '@holdfast/core'
import { PeerError } from '../error.ts'
import { readHeadRing } from './head-ring.ts'
import { damaged } from './segment-log-reader.ts'

export interface HeadCheck {
  /** Heads that are there, each signed by the host and naming the one before. */
  readonly count: number
  readonly newest: SignedLogHead | undefined
  /** Takes the log's entries in order. @throws {PeerError} `LOG_CONTRADICTS_HEAD` */
  take(payload: Uint8Array): void
  /**
   * The log is over.
   *
   * @throws {PeerError} `HEADS_INVALID` for heads that are not the host's, or not of one history; `LOG_DAMAGED` when the
   * newest covers more of the log than there is
   */
  end(): void
}

/** Reads the heads first: a host that runs beside may append meanwhile, and its log is always ahead of its heads. */
export async function checkHeads(
  directory: string,
  parameters: NetworkParameters,
  { signatures }: Pick<LedgerTools, 'signatures'>
): Promise<HeadCheck> {
  const { heads } = await readHeadRing(directory)
  const authority = { networkId: networkIdOf(parameters), host: parameters.host, signatures }
  const expectSigned = () => {
    for (const head of heads.values()) {
      const verdict = verifyHead(encodeHead(head), authority)
      const before = heads.get(head.number - 1)
      const follows = before === undefined || Buffer.compare(hashHead(before), head.previous) === 0
      if (!verdict.ok || !follows)
        throw new PeerError(
          'HEADS_INVALID',
          `Head ${head.number} is none of this network's history: ${verdict.ok ? 'it follows another one' : verdict.reason}.`,
          { number: head.number }
        )
    }
  }
  const bySize = new Map([...heads.values()].map(head => [head.size, head]))
  const newest = heads.get(Math.max(...heads.keys()))
  const tree = createLogTree()
  return {
    count: heads.size,
    newest,
    take(payload) {
      tree.append(payload)
      const head = bySize.get(tree.size)
      if (head === undefined || Buffer.compare(head.root, tree.root()) === 0) return
      throw new PeerError(
        'LOG_CONTRADICTS_HEAD',
        `The first ${head.size} entries of the log are not those of head ${head.number}, which the host signed.`,
        { number: head.number, size: head.size }
      )
    },
    end() {
      expectSigned()
      if (newest !== undefined && newest.size > tree.size)
        throw damaged(
          { segment: 0, sequence: tree.size, offset: 0 },
          `the newest head covers ${newest.size} entries and ${tree.size} are left`
        )
    }
  }
}
