/**
 * A child process: refuses bombs of each kind under the budgets that every reader has, one after the other. Prints for each
 * the error's code, the CPU milliseconds that it took, and by how many MiB it raised the process's peak of memory.
 */
import { portableNodeHasher } from '@holdfast/proofs'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import {
  encodeCarHeader,
  encodeSection,
  packCar,
  readContent,
  SECTION_BODY_SIZE_BYTES_MAX
} from '../../src/content/index.ts'
import { encodeVarint } from '../../src/content/varint.ts'
import { Blocks } from './hostile-blocks.ts'
import { fetcherOf, MemoryPieces } from './memory-content.ts'

const MIB = 1024 * 1024

type Refuse = () => Promise<unknown>

/** Reads everything under a root and keeps nothing. */
const reading =
  (blocks: Blocks, root: CID): Refuse =>
  async () => {
    for await (const entry of readContent({ root, fetchBlocks: fetcherOf(blocks).fetchBlocks }))
      if (entry.kind === 'file') for await (const _ of entry.content());
  }

async function* endless(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
  const more = new Uint8Array(MIB)
  for (;;) yield more
}

const packing =
  (...car: Uint8Array[]): Refuse =>
  () =>
    packCar({ car: endless(...car), openPiece: new MemoryPieces().openPiece, nodeHasher: portableNodeHasher })

async function chain(blocks: Blocks, length: number): Promise<CID> {
  let root = await blocks.directory({})
  for (let i = 0; i < length; i++) root = await blocks.directory({ d: root })
  return root
}

async function zeros(blocks: Blocks): Promise<CID> {
  let size = BigInt(MIB)
  let root = await blocks.add(new Uint8Array(MIB), raw.code)
  for (let i = 0; i < 3; i++) {
    const parts = Array.from({ length: 1000 }, () => ({ cid: root, claim: size }))
    root = await blocks.fileOf(parts)
    size *= 1000n
  }
  return root
}

const shard = (fanout: bigint) => new UnixFS({ type: 'hamt-sharded-directory', fanout, hashType: 0x22n }).marshal()

async function shards(blocks: Blocks): Promise<CID> {
  const slots = Array.from({ length: 256 }, (_, slot) => slot.toString(16).toUpperCase().padStart(2, '0'))
  let root = await blocks.node(shard(256n))
  for (let i = 0; i < 200; i++)
    root = await blocks.node(
      shard(256n),
      slots.map(Name => ({ Name, Hash: root, Tsize: 1 }))
    )
  return root
}

async function named(blocks: Blocks, name: string): Promise<CID> {
  const leaf = await blocks.add(Uint8Array.of(1), raw.code)
  const links = Array.from({ length: 20_000 }, (_, i) => ({ Name: `${i}`.padStart(6, '0'), Hash: leaf, Tsize: 1 }))
  const last = { Name: name, Hash: leaf, Tsize: 1 }
  return blocks.node(new UnixFS({ type: 'directory' }).marshal(), name < '0' ? [last, ...links] : [...links, last])
}

const rootOfCar = CID.createV1(raw.code, await sha256.digest(Uint8Array.of(1)))
const header = encodeCarHeader([rootOfCar])
const holes = dagPb.encode({
  Data: new UnixFS({ type: 'directory' }).marshal(),
  Links: Array.from({ length: 20_000 }, (_, i) => ({ Name: `${i}`.padStart(6, '0'), Hash: rootOfCar, Tsize: 1 }))
})
const blocks = new Blocks()
const bombs: Array<readonly [string, Refuse]> = [
  ['DAG: a petabyte of zeros', reading(blocks, await zeros(blocks))],
  ['DAG: directories ten thousand deep', reading(blocks, await chain(blocks, 10_000))],
  ['HAMT: a fanout of 2^63', reading(blocks, await blocks.node(shard(2n ** 63n), [{ Name: '0a', Hash: rootOfCar }]))],
  ['HAMT: 256^200 shards', reading(blocks, await shards(blocks))],
  ['CAR: a header of 4 GiB', packing(encodeVarint(2 ** 32))],
  ['CAR: a section of 4 GiB', packing(header, encodeVarint(2 ** 32))],
  ['CAR: a section of the largest size that is no block', packing(header, encodeVarint(SECTION_BODY_SIZE_BYTES_MAX))],
  [
    'CAR: links to nothing',
    packing(header, encodeSection(CID.createV1(dagPb.code, await sha256.digest(holes)), holes))
  ],
  ['name: of a megabyte', reading(blocks, await named(blocks, 'n'.repeat(MIB)))],
  ['name: that leaves the directory', reading(blocks, await named(blocks, '../../.ssh/authorized_keys'))]
]
for (const [what, refuse] of bombs) {
  const before = process.resourceUsage()
  const code = await refuse().then(
    () => 'NOTHING',
    (error: { code?: string }) => error.code ?? String(error)
  )
  const after = process.resourceUsage()
  const cpuMs = (after.userCPUTime - before.userCPUTime + after.systemCPUTime - before.systemCPUTime) / 1000
  const grownMiB = (after.maxRSS - before.maxRSS) / 1024
  process.stdout.write(`${JSON.stringify({ what, code, cpuMs, grownMiB })}\n`)
}
