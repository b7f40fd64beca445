/** A devnet as events, one JSON object a line. */
import { printJsonEvent } from '../cli/output.ts'
import { openProgressBars } from '../cli/progress-bars.ts'
import type { Screen } from './screen.ts'

export function createJsonScreen(): Screen {
  return {
    heading: () => undefined,
    process: (name, role, pid) => printJsonEvent('process', { name, role, pid }),
    namePeers: peers => printJsonEvent('network', { peers: peers.map(({ name, address }) => ({ name, address })) }),
    packing: () => ({ report: () => undefined, [Symbol.dispose]: () => undefined }),
    packed: (path, { root, pieces, contentSizeBytes, fileCount, blockCount }, quote) =>
      printJsonEvent('packed', {
        path,
        rootCid: root,
        pieces: pieces.map(({ cids, rawSize }) => ({ cid: cids[0], rawSize })),
        contentSizeBytes,
        fileCount,
        blockCount,
        quote
      }),
    storing: () => openProgressBars(true),
    round: ({ round, late, results }) => printJsonEvent('round', { round, late, results }),
    killing: (name, pid, how) => printJsonEvent('killed', { name, pid, how }),
    restarted: (name, pid) => printJsonEvent('restarted', { name, pid }),
    recovered: (name, collateralBefore, collateral) =>
      printJsonEvent('recovered', { name, collateralBefore, collateral }),
    readBack: (files, bytes, without) => printJsonEvent('readBack', { files, bytes, without, bytesEqual: true }),
    replayed: (entries, stateHash, sum, supply) =>
      printJsonEvent('replayed', { entries, stateHash, sum, supply, conserved: sum === supply }),
    done: facts => printJsonEvent('done', { ...facts }),
    stayingUp: () => undefined
  }
}
