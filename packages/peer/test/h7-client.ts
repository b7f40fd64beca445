import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { randomFillSync } from 'node:crypto'
import { rmSync } from 'node:fs'
import { storePiece, upload } from '@holdfast/core'
import { multiaddr } from '/work/main/node_modules/@multiformats/multiaddr/dist/src/index.js'
import { keyOf, startNode } from '/work/main/packages/peer/test/open-nodes.ts'
const MIB = 1024 * 1024
const size = Number(process.argv[3] ?? 512) * MIB
const dir = `/tmp/h7/data-${process.argv[2]}`
rmSync(dir, { recursive: true, force: true })
const child = spawn(process.execPath, ['--conditions=source', '/work/main/packages/peer/test/h7-provider.ts', dir, process.argv[2]!], { stdio: ['pipe', 'pipe', 'inherit'] })
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
const { addresses, networkId } = JSON.parse((await lines.next()).value)
const node = await startNode(keyOf('client'), [])
const ask = async () => { child.stdin.write('x'); return JSON.parse((await lines.next()).value) }
for (let run = 0; run < 3; run++) {
  const chunk = randomFillSync(Buffer.alloc(8 * MIB))
  const before = await ask()
  const start = performance.now()
  const answer = await upload(node.libp2p, addresses.map((a: string) => multiaddr(a)), storePiece, { dealId: 1, sizeBytes: size }, async function* () { for (let at = 0; at < size; at += chunk.length) { chunk.writeUInt32BE(at / MIB, 0); yield chunk.slice() } }, { networkId: Buffer.from(networkId, 'hex') })
  const seconds = (performance.now() - start) / 1000
  const after = await ask()
  console.log(process.argv[2], answer.kind === 'answer' ? 'ok' : JSON.stringify(answer), (size / MIB / seconds).toFixed(0), 'MiB/s; provider cpu s', (after.cpuS - before.cpuS).toFixed(2), 'rss', after.rssMiB)
}
child.kill('SIGKILL'); await node.stop(); rmSync(dir, { recursive: true, force: true }); process.exit(0)
