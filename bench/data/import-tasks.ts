/** A file on disk becomes content-addressed blocks on disk, in four programs. Each has run before it is measured. */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { unixfs } from '@helia/unixfs'
import { createHashingThreads, packPath } from '@holdfast/peer'
import { loadNativeNodeHasher } from '@holdfast/proofs/native'
import { FsBlockstore } from 'blockstore-fs'
import { create as createWasmHasher } from 'fr32-sha2-256-trunc254-padded-binary-tree-multihash'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { KIB, MIB } from '../harness.ts'
import { loadIpfsCar } from './bench-peers.ts'
import type { Task } from './measured-process.ts'

interface ImportArgument {
  readonly path: string
}

/** @returns seconds; what was made is removed again, unmeasured */
async function inFolder(path: string, run: (folder: string) => Promise<unknown>): Promise<number> {
  const folder = await mkdtemp(join(dirname(path), 'import-'))
  try {
    const before = performance.now()
    await run(folder)
    return (performance.now() - before) / 1000
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What `put` does before it sends: UnixFS, CAR on disk, PieceCID. */
export const importHoldfast: Task = async () => {
  const nodeHasher = await loadNativeNodeHasher()
  const { createHasher } = createHashingThreads({ count: 2 })
  return {
    run: ({ path }: ImportArgument) =>
      inFolder(path, async stagingDirectory => {
        await using packed = await packPath(path, { nodeHasher, createHasher }, { stagingDirectory })
        return packed.root
      })
  }
}

/** Larger reads than Node's own: with 64 KiB it is half as fast. */
const readWhole = (path: string) => createReadStream(path, { highWaterMark: MIB })

/** No commitment, one file for each block. */
export const importHelia: Task = async () => ({
  run: ({ path }: ImportArgument) =>
    inFolder(path, async folder => {
      const blockstore = new FsBlockstore(folder)
      await blockstore.open()
      const blocks = unixfs({ blockstore })
      await blocks.addByteStream(readWhole(path), { chunker: fixedSize({ chunkSize: MIB }), rawLeaves: true })
      await blockstore.close()
    })
})

/** `ipfs-car pack`, no commitment. */
export const importIpfsCar: Task = async () => ({
  run: ({ path }: ImportArgument) => inFolder(path, folder => packWithIpfsCar(path, join(folder, 'car')))
})

/** `ipfs-car pack`, and its bytes through the hasher that Filecoin's JavaScript tools use. */
export const importIpfsCarWithCommitment: Task = async () => ({
  run: ({ path }: ImportArgument) =>
    inFolder(path, async folder => {
      const hasher = createWasmHasher()
      await packWithIpfsCar(path, join(folder, 'car'), bytes => {
        for (let offset = 0; offset < bytes.length; offset += 64 * KIB)
          hasher.write(bytes.subarray(offset, offset + 64 * KIB))
      })
      hasher.digestInto(new Uint8Array(hasher.multihashByteLength()), 0, true)
      hasher.free()
    })
})

async function packWithIpfsCar(path: string, target: string, tell: (bytes: Uint8Array) => void = () => undefined) {
  const { createFileEncoderStream, CAREncoderStream } = await loadIpfsCar()
  const stream = () => Readable.toWeb(readWhole(path)) as ReadableStream<Uint8Array>
  const told = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      tell(bytes)
      controller.enqueue(bytes)
    }
  })
  await createFileEncoderStream({ stream })
    .pipeThrough(new CAREncoderStream([]))
    .pipeThrough(told)
    .pipeTo(Writable.toWeb(createWriteStream(target)))
}

/** Where the benchmark's files go: on the disk of the system's directory for temporary files. */
export async function makeBenchFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'holdfast-bench-'))
}
